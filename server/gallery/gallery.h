// The gallery: the durable truth on disk, and the view of it that is being searched.
#ifndef S2P_SERVER_GALLERY_GALLERY_H_
#define S2P_SERVER_GALLERY_GALLERY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "model/encoder.h"
#include "model/image.h"
#include "server/gallery/gallery_view.h"
#include "server/gallery/snapshot.h"
#include "server/index/index_builder.h"

namespace s2p {

enum class OnConflict { kFail, kReplace, kSkip };
enum class AddResult { kAdded, kReplaced, kUnchanged, kSkipped };

// One item to add, embedded already.
struct NewItem {
  std::string photo_id;
  v1::Modality modality = v1::MODALITY_PHOTO;
  std::map<std::string, std::string> metadata;
  OnConflict on_conflict = OnConflict::kFail;
  // The original bytes and what ReadImageHeader said of them.
  std::string bytes;
  ImageHeader header;
  // The version that made embedding and attributes.
  int64_t version = 0;
  std::vector<float> embedding;
  std::vector<float> attributes;
};

// The state in which Gallery::Open found the folder.
struct GalleryFindings {
  // There was no catalogue, so an empty one was created.
  bool created = false;
  // Photos that no item names: those moved to `orphan_folder` by this start, and all that are set
  // aside now.
  int64_t orphans_set_aside = 0;
  int64_t orphans_kept = 0;
  std::string orphan_folder;
  // Photos that an earlier start had set aside and that the catalogue names again.
  int64_t brought_back = 0;
  // Photos that the catalogue names and whose files are missing.
  int64_t missing = 0;
};

struct GalleryOptions {
  // <data_dir>/gallery.db, photos/, models/, index/ and the lock live here. Created if missing.
  std::string data_dir;
  // Opens a folder even if it has more orphans than a crash can leave behind.
  bool set_aside_orphans = false;
  // Optional: called by Open, before it returns a gallery.
  std::function<void(const GalleryFindings&)> on_open;
  // What is searched. The directory is always <data_dir>/index.
  IndexBuilderOptions index;
  // Versions whose embeddings are kept, the served one included.
  int keep_versions = 2;
  ImageLimits image_limits;
  // Optional: called when tail and removals have been folded into a new base, or could not be, with
  // the time that it took; on the thread that did it, which no search and no write waits for.
  std::function<void(const absl::Status&, absl::Duration)> on_compaction;
};

// Owns <data_dir>: one process at a time. A write is durable and in the slot's snapshot when the
// call returns; a failed write has changed nothing. Thread-safe; writes take turns, searches never
// wait for them.
class Gallery {
 public:
  // Locks the folder, opens or creates the catalogue, and sets orphaned blobs aside: photos that no
  // item names move to photos/.orphans and stay there. FailedPrecondition,
  // naming folder and process, if another process has it; if there is no catalogue, but there are
  // photos; if orphans are more than 1,000 and more than 1 % of the items; if the catalogue is of a
  // newer format. DataLoss if it is damaged. `slot` must outlive the gallery.
  static absl::StatusOr<std::unique_ptr<Gallery>> Open(const GalleryOptions& options,
                                                       SnapshotSlot* slot);
  virtual ~Gallery() = default;

  // Embeds every item that has no embedding of encoder->version() yet, in batches, storing as it
  // goes so that an interrupted run resumes; builds the index, which may take minutes to train;
  // then publishes {encoder, view} to the slot. Searches, adds and deletes go on with what serves
  // until then; what comes meanwhile is embedded too. Writes wait only for the last few items.
  // `progress` is called with (done, total). An item whose blob is damaged is logged by the caller
  // through `on_damaged` and left out of the view, not deleted. `after_batch` is called, with no
  // lock held, after each batch is stored, with the time that it took: it may wait, and if it does
  // not return OK, nothing is published and that is what Activate returns. The time is zero when
  // photos are added about as fast as they are embedded, so that waiting would put off the end for
  // ever.
  virtual absl::Status Activate(
      std::shared_ptr<const Encoder> encoder,
      const std::function<void(int64_t, int64_t)>& progress = {},
      const std::function<void(const std::string&, const absl::Status&)>& on_damaged = {},
      const std::function<absl::Status(absl::Duration)>& after_batch = {}) = 0;

  // Drops the embeddings and index files of versions that are not kept, a few at a time so that
  // writes go on; after an Activate, on its thread. What cannot be dropped stays until the next
  // call.
  virtual absl::Status DropRetired() = 0;

  // Items that Activate would have to embed for this version.
  virtual absl::StatusOr<int64_t> CountWithoutEmbedding(int64_t version) const = 0;

  // One outcome per item, in order; several items share one transaction. An item whose file is
  // missing is kReplaced by the same photo. AlreadyExists as
  // on_conflict says; Unavailable before the first model; InvalidArgument for an embedding that is
  // not the version's; Aborted if the serving version is not `version` any more (embed again);
  // ResourceExhausted when the disk is full.
  virtual std::vector<absl::StatusOr<AddResult>> Add(std::vector<NewItem> items) = 0;
  // What Add would find, without embedding first: kUnchanged or kSkipped if nothing is to be done,
  // AlreadyExists if it would fail, kAdded or kReplaced if the item must be embedded.
  virtual absl::StatusOr<AddResult> Check(const std::string& photo_id, v1::Modality modality,
                                          const std::map<std::string, std::string>& metadata,
                                          const std::string& sha256,
                                          OnConflict on_conflict) const = 0;
  // Returns which of the ids were there. All or nothing.
  virtual absl::StatusOr<std::vector<bool>> Delete(absl::Span<const std::string> photo_ids) = 0;
  // NotFound.
  virtual absl::StatusOr<std::shared_ptr<const GalleryItem>> UpdateMetadata(
      const std::string& photo_id, const std::map<std::string, std::string>& metadata) = 0;

  // From the catalogue, so also before the first model. NotFound.
  virtual absl::StatusOr<std::shared_ptr<const GalleryItem>> Get(
      const std::string& photo_id) const = 0;
  // Items with photo_id > after, ascending, at most `limit`, that pass the filter (attributes in it
  // need a snapshot: FailedPrecondition before the first).
  virtual absl::StatusOr<std::vector<std::shared_ptr<const GalleryItem>>> List(
      const std::string& after, int limit, const GalleryFilter& filter) const = 0;
  // The original bytes, checked against their digest. DataLoss if they are damaged or missing;
  // NotFound if the item has been deleted.
  virtual absl::StatusOr<std::string> ReadBlob(const GalleryItem& item) const = 0;
  virtual GalleryTotals Totals() const = 0;

  // The version that an operator chose to serve; none: the newest is followed. Survives a restart.
  virtual absl::StatusOr<std::optional<int64_t>> PinnedVersion() const = 0;
  virtual absl::Status SetPinnedVersion(std::optional<int64_t> version) = 0;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_H_
