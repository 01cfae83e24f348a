// The gallery: durable records on disk, and the view of them that is searched.
#ifndef S2P_SERVER_GALLERY_GALLERY_H_
#define S2P_SERVER_GALLERY_GALLERY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "daemon/disk_space.h"
#include "daemon/folder_lock.h"
#include "image/image.h"
#include "model/encoder.h"
#include "model/verified_file.h"
#include "server/faults/faults.h"
#include "server/gallery/activation.h"
#include "server/gallery/add_queue.h"
#include "server/gallery/catalogue_reader.h"
#include "server/gallery/colour_finder.h"
#include "server/gallery/compactor.h"
#include "server/gallery/gallery_folder.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/gallery_writer.h"
#include "server/gallery/kept_versions.h"
#include "server/gallery/new_item.h"
#include "server/gallery/serving_view.h"
#include "server/gallery/snapshot.h"
#include "server/gallery/write_log.h"
#include "server/index/index_builder.h"
#include "server/storage/blob_store.h"

namespace s2p {

struct GalleryOptions {
  // <data_dir>/gallery.db, photos/, models/, index/ and the lock live here. Created if missing.
  std::string data_dir;
  // Opens a folder even if it has more orphans than a crash can leave behind.
  bool set_aside_orphans = false;
  // Optional: called by Open, before it returns a gallery.
  std::function<void(const GalleryFindings&)> on_open;
  // The index that is searched. Its directory is always <data_dir>/index.
  IndexBuilderOptions index;
  // Versions whose embeddings are kept, the serving one included.
  int keep_versions = 2;
  // Decodes stored photos for another version. Unavailable, ResourceExhausted and Cancelled end the
  // activation. DeadlineExceeded, which says that it took too long, is no damage: such a photo is
  // tried three times. Any other error leaves the photo out.
  std::function<absl::StatusOr<Image>(absl::string_view bytes)> decode =
      [](absl::string_view bytes) { return DecodeImage(bytes); };
  // Finds the colours of photos that have none, in the background. Without `decode` they stay
  // unknown.
  ColourFinderOptions colours;
  // Optional: see Compactor::Report.
  Compactor::Report on_compaction;
  // Photos and metadata are refused while the disk has less free space; deletions are not.
  MinFree min_free;
  // Measures the disk of the data folder; unset: the disk itself. Tests replace it.
  DiskReserve::Measure measure_disk;
  // Errors of the data folder are reported here; null: nowhere but in the log. Outlives the
  // gallery.
  Faults* faults = nullptr;
};

// Owns <data_dir>, one process at a time. A write is durable and in the slot's snapshot when the
// call returns; a failed write has changed nothing. Thread-safe: writes take turns, searches never
// wait for them.
//
// Each part has a lock of its own. A thread takes them in this order: activation, adds, writer,
// then the serving view, the log, the reader and the blobs of running adds, which are never held
// for another.
class Gallery {
 public:
  // Locks the folder, opens or creates the catalogue, brings it up to the journal if it is an older
  // one that was put back, and sets orphaned blobs aside: photos that no item names move to
  // photos/.orphans and stay there. FailedPrecondition, naming folder and process, if another
  // process has the folder; if there are photos but no catalogue; if more than 1,000 photos and
  // more than 1 % of the items are orphans; if a catalogue that numbers no writes would lose as
  // many or all of its items; if the catalogue's format is newer. DataLoss if the catalogue is
  // damaged. `slot` must outlive the gallery.
  static absl::StatusOr<std::unique_ptr<Gallery>> Open(const GalleryOptions& options,
                                                       SnapshotSlot* slot);

  // Embeds every item that lacks an embedding of encoder->version(), storing each batch so that an
  // interrupted run resumes; builds the index, which may take minutes to train; then publishes
  // {encoder, view} to the slot. Searches and writes continue meanwhile with the version that
  // serves; only the last few items make writes wait. Errors of the encoder, the catalogue, the
  // index and `after_batch`; ResourceExhausted also if the embeddings would not leave min_free,
  // which is known before the first if another version serves. Nothing is published then.
  absl::Status Activate(std::shared_ptr<const Encoder> encoder,
                        const ActivationCallbacks& callbacks = {});

  // Drops the embeddings and index files of versions that are not kept, a few at a time so that
  // writes continue. Call it after Activate, on its thread. A version that cannot be dropped stays
  // until the next call.
  absl::Status DropRetired();

  // ResourceExhausted if the disk would not keep min_free after this many bytes more. To be asked
  // before anything else is written to the data folder.
  absl::Status CheckRoom(uint64_t bytes) const { return reserve_.Check(bytes); }

  // The number of items that Activate would have to embed for this version.
  absl::StatusOr<int64_t> CountWithoutEmbedding(int64_t version) const;

  // Returns one outcome per item, in order; they share a transaction, also with other calls.
  // Borrows the items and copies no photo, so an item that is Aborted can be embedded again and
  // added. An item whose file is missing or damaged is kReplaced by the same photo. AlreadyExists
  // as on_conflict says; Unavailable before the first model; InvalidArgument for an embedding that
  // does not fit the version; Aborted if another version than `version` serves now;
  // ResourceExhausted when the disk is full or has less than min_free left.
  std::vector<absl::StatusOr<AddResult>> Add(absl::Span<const NewItem> items) {
    return adds_.Add(items);
  }
  // The outcome that Add would have, before the item is embedded: kUnchanged or kSkipped if there
  // is nothing to do, AlreadyExists if it would fail, kAdded or kReplaced if it has to be embedded.
  // ResourceExhausted if the disk has no room for it.
  absl::StatusOr<AddResult> Check(const NewItem& item) const;
  // Returns for each id whether it was there; an item that a start has set aside was not, but is
  // deleted all the same. All or nothing. Removes photo, metadata, embeddings
  // of all versions and what the journal says, also from SQLite's free pages and log; only a backup
  // that is being made keeps the log from being emptied, until the next write after it.
  absl::StatusOr<std::vector<bool>> Delete(absl::Span<const std::string> photo_ids) {
    return writer_.Delete(photo_ids);
  }
  // NotFound; ResourceExhausted as Add.
  absl::StatusOr<std::shared_ptr<const GalleryItem>> UpdateMetadata(
      const std::string& photo_id, const std::map<std::string, std::string>& metadata) {
    return writer_.UpdateMetadata(photo_id, metadata);
  }

  // Reads the catalogue, so it works before the first model. NotFound.
  absl::StatusOr<std::shared_ptr<const GalleryItem>> Get(const std::string& photo_id) const;
  // Items with photo_id > after that pass the filter, ascending, at most `limit`. A filter that few
  // pass makes it read the whole catalogue, so `still_wanted` (optional) is asked before each
  // kCataloguePageSize items: an error ends the search and is its result. FailedPrecondition if the
  // filter names attributes that the serving model lacks, or before the first model.
  absl::StatusOr<std::vector<std::shared_ptr<const GalleryItem>>> List(
      const std::string& after, int limit, const GalleryFilter& filter,
      const std::function<absl::Status()>& still_wanted = nullptr) const;
  // The original bytes, checked against their digest. DataLoss if they are damaged or missing;
  // NotFound if the item has been deleted; Unavailable if too many files are open.
  absl::StatusOr<std::string> ReadBlob(const GalleryItem& item) const;
  // The same, to be read piece by piece; the last piece says whether the bytes are damaged.
  absl::StatusOr<VerifiedFile> OpenBlob(const GalleryItem& item) const;
  // Reports that a photo's file cannot be read, and returns the error for whoever asked for it.
  absl::Status UnreadablePhoto(const GalleryItem& item, const absl::Status& status) const;
  GalleryTotals Totals() const { return serving_.totals(); }
  // Photos that were without colours when the gallery was opened, and still are. See ColourFinder.
  int64_t CountWithoutColours() const { return colours_ == nullptr ? 0 : colours_->pending(); }

  // The version that an operator chose to serve; nullopt to follow the newest. Survives a restart.
  absl::StatusOr<std::optional<int64_t>> PinnedVersion() const;
  absl::Status SetPinnedVersion(std::optional<int64_t> version);

 private:
  Gallery(const GalleryOptions& options, SnapshotSlot* slot, GalleryFolder folder);
  absl::Status StartIndexing();
  absl::Status StartFindingColours();
  GalleryWriterParts WriterParts();
  void ReportDamaged(const std::string& photo_id, const absl::Status& reason) const;
  // As CatalogueReader::Read, with errors as a caller may know them.
  template <typename Reading>
  auto Read(const Reading& read) const;

  const GalleryOptions options_;
  // Used if the options have none.
  const std::unique_ptr<Faults> own_faults_;
  Faults& faults_;
  const DiskReserve reserve_;
  const std::unique_ptr<FolderLock> lock_;
  const std::string catalogue_;
  const BlobStore blobs_;
  const CatalogueReader reader_;
  ServingView serving_;
  WriteLog log_;
  GalleryWriter writer_;
  AddQueue adds_;
  std::unique_ptr<const IndexBuilder> indexes_;

  // Held for a whole activation.
  absl::Mutex activation_mutex_;
  KeptVersions kept_ ABSL_GUARDED_BY(activation_mutex_);

  std::unique_ptr<Compactor> compactor_;
  // Null if the options have no decoder for it.
  std::unique_ptr<const ColourFinder> colours_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_H_
