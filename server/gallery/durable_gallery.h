// The gallery on disk and in memory, as one class. For the gallery's own files only: everybody else
// has gallery.h.
#ifndef S2P_SERVER_GALLERY_DURABLE_GALLERY_H_
#define S2P_SERVER_GALLERY_DURABLE_GALLERY_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "daemon/folder_lock.h"
#include "server/gallery/blob_store.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/gallery.h"
#include "server/gallery/gallery_embedder.h"
#include "server/gallery/indexed_gallery_view.h"

namespace s2p {

// Rows that one look at the catalogue reads.
inline constexpr int kCataloguePageSize = 256;

// A write decides, stores blobs, writes the catalogue in one transaction, makes the next view,
// commits, and publishes: in this order, so that whatever fails has changed nothing. Thread-safe.
class DurableGallery final : public Gallery {
 public:
  DurableGallery(GalleryOptions options, SnapshotSlot* slot, std::unique_ptr<FolderLock> lock,
                 BlobStore blobs, std::unique_ptr<Catalogue> writer,
                 std::unique_ptr<Catalogue> reader, GalleryTotals totals);
  // Ends a compaction that is under way.
  ~DurableGallery() override;
  // Of the index that the options ask for; before anything else is called.
  absl::Status Init();

  absl::Status Activate(
      std::shared_ptr<const Encoder> encoder, const std::function<void(int64_t, int64_t)>& progress,
      const std::function<void(const std::string&, const absl::Status&)>& on_damaged,
      const std::function<absl::Status(absl::Duration)>& after_batch) override;
  absl::Status DropRetired() override;
  std::vector<absl::StatusOr<AddResult>> Add(std::vector<NewItem> items) override;
  absl::StatusOr<AddResult> Check(const std::string& photo_id, v1::Modality modality,
                                  const std::map<std::string, std::string>& metadata,
                                  const std::string& sha256, OnConflict on_conflict) const override;
  absl::StatusOr<std::vector<bool>> Delete(absl::Span<const std::string> photo_ids) override;
  absl::StatusOr<std::shared_ptr<const GalleryItem>> UpdateMetadata(
      const std::string& photo_id, const std::map<std::string, std::string>& metadata) override;
  absl::StatusOr<std::shared_ptr<const GalleryItem>> Get(
      const std::string& photo_id) const override;
  absl::StatusOr<std::vector<std::shared_ptr<const GalleryItem>>> List(
      const std::string& after, int limit, const GalleryFilter& filter) const override;

  absl::StatusOr<std::string> ReadBlob(const GalleryItem& item) const override;
  GalleryTotals Totals() const override {
    absl::MutexLock lock(&state_mutex_);
    return totals_;
  }
  absl::StatusOr<int64_t> CountWithoutEmbedding(int64_t version) const override {
    absl::MutexLock lock(&read_mutex_);
    return reader_->CountWithoutEmbedding(version);
  }
  absl::StatusOr<std::optional<int64_t>> PinnedVersion() const override {
    absl::MutexLock lock(&read_mutex_);
    return reader_->PinnedVersion();
  }
  absl::Status SetPinnedVersion(std::optional<int64_t> version) override {
    absl::MutexLock lock(&write_mutex_);
    return writer_->SetPinnedVersion(version);
  }

 private:
  // What adding would do to an id whose item is `existing`, null where there is none.
  static absl::StatusOr<AddResult> Decide(const GalleryItem* existing, const std::string& photo_id,
                                          v1::Modality modality,
                                          const std::map<std::string, std::string>& metadata,
                                          const std::string& sha256, OnConflict on_conflict);
  // True if nothing is to be done for `existing`, except that its file is missing and must be
  // written again.
  bool LacksFile(const absl::StatusOr<AddResult>& decided, const GalleryItem* existing) const;
  // Null for NotFound.
  static absl::StatusOr<std::shared_ptr<const GalleryItem>> FindOrNull(const Catalogue& catalogue,
                                                                       const std::string& photo_id);

  // One item of a call of Add that is to be written.
  struct Planned {
    size_t position;
    std::shared_ptr<const GalleryItem> item;
    // Null where none is replaced.
    std::shared_ptr<const GalleryItem> replaced;
  };

  std::vector<Planned> Plan(const std::vector<NewItem>& items,
                            const std::vector<std::string>& digests,
                            std::vector<absl::StatusOr<AddResult>>* results)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  std::vector<absl::StatusOr<AddResult>> Write(std::vector<NewItem> items,
                                               const std::vector<std::string>& digests,
                                               std::shared_ptr<const Snapshot>* retired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status WritePlanned(const std::vector<Planned>& planned, std::vector<NewItem>* items,
                            std::shared_ptr<const Snapshot>* retired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status InsertPlanned(const Planned& planned, const NewItem& item)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // Blobs are shared by items with the same bytes. What cannot be removed is swept at a later
  // start.
  void RemoveUnreferenced(const std::set<std::string>& digests)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // One run of Activate.
  class Activation;
  // While it lives, notes the ids that are written: what was made from an older state catches up.
  class Recording;
  void Record(const std::string& photo_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_) {
    for (std::set<std::string>* ids : recordings_) ids->insert(photo_id);
  }
  // Decides which versions are kept. `resumed`: this is what served before the start, so nothing is
  // dropped yet; what an interrupted embedding has done is still wanted.
  void NoteServing(int64_t version, bool resumed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  absl::Status StoreLocked(int64_t version, const std::vector<EmbeddedItem>& embedded)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  // Folds tail and removals into a new base whenever there are enough of them, until the end.
  void CompactWhenNeeded();
  absl::Status Compact();

  std::shared_ptr<const IndexedGalleryView> view() const {
    absl::MutexLock lock(&state_mutex_);
    return view_;
  }
  // Makes `view` the one that is searched. The snapshot it replaces is moved to `retired`, which
  // must die after the caller's lock.
  void Publish(std::shared_ptr<const IndexedGalleryView> view,
               std::shared_ptr<const Snapshot>* retired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  void Count(const GalleryItem& item, int sign) {
    absl::MutexLock lock(&state_mutex_);
    const uint64_t one = sign > 0 ? 1 : ~uint64_t{0};
    (item.modality == v1::MODALITY_SKETCH ? totals_.sketches : totals_.photos) += one;
    totals_.bytes += one * item.bytes;
  }

  // Adds that wait for the lock together are written together: one sync of the disk for all.
  struct PendingAdd {
    std::vector<NewItem> items;
    std::vector<std::string> digests;
    std::vector<absl::StatusOr<AddResult>> results;
    bool done = false;
  };
  // All that wait, up to a bound; they are no longer pending.
  std::vector<PendingAdd*> TakePending();
  void AddTogether(const std::vector<PendingAdd*>& pending,
                   std::shared_ptr<const Snapshot>* retired)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  const GalleryOptions options_;
  SnapshotSlot* const slot_;
  const std::unique_ptr<FolderLock> lock_;
  const BlobStore blobs_;
  std::unique_ptr<const IndexBuilder> index_builder_;
  std::atomic<bool> stopping_{false};

  // Held for a whole activation, before the others.
  absl::Mutex activate_mutex_;

  mutable absl::Mutex write_mutex_;
  std::unique_ptr<Catalogue> writer_ ABSL_GUARDED_BY(write_mutex_);
  std::shared_ptr<const Encoder> encoder_ ABSL_GUARDED_BY(write_mutex_);
  // Serves since the start, without having been noted; 0: none.
  int64_t unnoted_version_ ABSL_GUARDED_BY(write_mutex_) = 0;
  // Of those that are under way; owned by them.
  std::set<std::set<std::string>*> recordings_ ABSL_GUARDED_BY(write_mutex_);

  // Never held for work; taken after write_mutex_, or alone.
  absl::Mutex pending_mutex_;
  std::deque<PendingAdd*> pending_ ABSL_GUARDED_BY(pending_mutex_);

  mutable absl::Mutex read_mutex_;
  std::unique_ptr<Catalogue> reader_ ABSL_GUARDED_BY(read_mutex_);

  // Never held for work.
  mutable absl::Mutex state_mutex_;
  std::shared_ptr<const IndexedGalleryView> view_ ABSL_GUARDED_BY(state_mutex_);
  GalleryTotals totals_ ABSL_GUARDED_BY(state_mutex_);
  // Nothing is compacted below so many pending rows: 0 unless the last attempt failed.
  int64_t min_pending_ ABSL_GUARDED_BY(state_mutex_) = 0;

  std::thread compactor_;
};

// The ids are guarded by the gallery's write mutex.
class DurableGallery::Recording {
 public:
  explicit Recording(DurableGallery* gallery) : gallery_(gallery) {}
  ~Recording() {
    absl::MutexLock lock(&gallery_->write_mutex_);
    gallery_->recordings_.erase(&ids_);
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // Both require the write mutex.
  void Begin() { gallery_->recordings_.insert(&ids_); }
  std::vector<std::string> Take() {
    std::vector<std::string> ids(ids_.begin(), ids_.end());
    ids_.clear();
    return ids;
  }

 private:
  DurableGallery* const gallery_;
  std::set<std::string> ids_;
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_DURABLE_GALLERY_H_
