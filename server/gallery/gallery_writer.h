// Changes the gallery.
#ifndef S2P_SERVER_GALLERY_GALLERY_WRITER_H_
#define S2P_SERVER_GALLERY_GALLERY_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "daemon/disk_space.h"
#include "server/faults/faults.h"
#include "server/gallery/catalogue.h"
#include "server/gallery/catalogue_reader.h"
#include "server/gallery/item_journal.h"
#include "server/gallery/new_item.h"
#include "server/gallery/serving_view.h"
#include "server/gallery/write_log.h"
#include "server/storage/blob_store.h"

namespace s2p {

// The colours found for the item of a key.
struct FoundColours {
  int64_t key = 0;
  std::string photo_id;
  std::vector<ColourShare> colours;
};

// A writer works with these; all are borrowed and thread-safe.
struct GalleryWriterParts {
  const BlobStore* blobs = nullptr;
  const CatalogueReader* reader = nullptr;
  ServingView* serving = nullptr;
  WriteLog* log = nullptr;
  const DiskReserve* reserve = nullptr;
  Faults* faults = nullptr;
};

// Writes decide, write the catalogue in one transaction, make the next view, write the journal,
// commit and publish, in this order, so that a failure at any step has changed nothing. A write is
// durable, searched and recorded in the log when it returns. Errors are reported as faults, and
// have no paths. Thread-safe: writes take turns. An Add stores its blobs before its turn, so that
// deletions and changes of metadata do not wait for that; nobody removes these blobs meanwhile.
class GalleryWriter {
 public:
  GalleryWriter(std::unique_ptr<Catalogue> catalogue, std::unique_ptr<ItemJournal> journal,
                const GalleryWriterParts& parts);

  // While one exists, no Add begins, and other writes continue. An Add that has begun may still be
  // written. Must not outlive the writer, and its thread must not Add.
  class AddsOnHold {
   public:
    explicit AddsOnHold(GalleryWriter* writer);
    ~AddsOnHold();
    AddsOnHold(const AddsOnHold&) = delete;
    AddsOnHold& operator=(const AddsOnHold&) = delete;

   private:
    GalleryWriter& writer_;
  };

  // Gallery::Add of the items, in one transaction. Called by one thread at a time.
  std::vector<absl::StatusOr<AddResult>> Add(absl::Span<const NewItem* const> items);
  // As Gallery's.
  absl::StatusOr<std::vector<bool>> Delete(absl::Span<const std::string> photo_ids);
  absl::StatusOr<std::shared_ptr<const GalleryItem>> UpdateMetadata(
      const std::string& photo_id, const std::map<std::string, std::string>& metadata);

  // Stores colours in one transaction, and shows them to searches. Items that were deleted or
  // replaced meanwhile are left alone. ResourceExhausted if the disk has no room.
  absl::Status PutColours(absl::Span<const FoundColours> found);

  // ResourceExhausted if the disk has no room for a write of this size.
  absl::Status CheckRoom(uint64_t bytes) const;

  // Returns what `work` returns, and lets nobody else write meanwhile: the catalogue that `work`
  // gets, the log and the serving view agree, and what `work` publishes misses no write. `work`
  // must be short and must not keep the reference.
  template <typename Work>
  auto Exclusively(const Work& work) {
    absl::MutexLock lock(&mutex_);
    return work(*catalogue_);
  }

 private:
  // An item that is to be written.
  struct Planned {
    size_t position;
    const NewItem* source;
    std::shared_ptr<const GalleryItem> item;
    // Null if the id is new.
    std::shared_ptr<const GalleryItem> replaced;
  };
  // The blobs that an Add has stored before its turn.
  struct Prepared {
    // OK, or the error because of which some are missing.
    absl::Status status;
    // Digests of those that are whole and durable.
    std::set<std::string> stored;
    // Digests of those that were to be written: after an error some may be there.
    std::set<std::string> written;
    // Positions of items that the catalogue has, but whose file was missing or damaged.
    std::set<size_t> repaired;
  };
  struct Plan {
    // One for each item: the outcome if all that is planned is written.
    std::vector<absl::StatusOr<AddResult>> results;
    std::vector<Planned> planned;
  };

  void AwaitNoHold();
  // Stores the blobs of the items that will probably be written.
  Prepared Prepare(absl::Span<const NewItem* const> items) const;
  absl::Status StoreBlobs(absl::Span<const Blob> blobs) const;
  Plan MakePlan(absl::Span<const NewItem* const> items, const Prepared& prepared)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Stores the blobs that Prepare has not, because the gallery has changed since.
  absl::Status StoreRest(absl::Span<const Planned> planned, Prepared& prepared) const;
  absl::Status Write(absl::Span<const Planned> planned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Insert(const Planned& planned) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Digests of the photos that the journal names under these ids and under no others.
  absl::StatusOr<std::set<std::string>> FindSetAside(const std::set<std::string>& photo_ids) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<bool>> DeleteItems(absl::Span<const std::string> photo_ids)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<const GalleryItem>> SetMetadata(
      const std::string& photo_id, const std::map<std::string, std::string>& metadata)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status WriteColours(absl::Span<const FoundColours> found)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Makes the journal durable, then the transaction; both or neither.
  absl::Status Commit(Catalogue::Transaction& transaction, absl::Span<const GalleryItem* const> put,
                      absl::Span<const std::string> removed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Removes what an Add leaves behind: blobs of replaced items after a commit, else its own.
  void CleanAfterAdd(const absl::Status& written, absl::Span<const Planned> planned,
                     const Prepared& prepared) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps the items' blobs from being removed, until Unprotect.
  void Protect(absl::Span<const NewItem* const> items);
  void Unprotect(absl::Span<const NewItem* const> items);
  enum class Copies { kKeep, kRemove };
  // Durably removes those of the blobs that no item names, with kRemove also where an earlier start
  // has set them aside. Leaves in `digests` those that could not be removed, or are protected.
  absl::Status RemoveUnnamed(std::set<std::string>& digests, Copies copies)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False if the blob is protected.
  absl::StatusOr<bool> RemoveBlob(const std::string& digest);
  // Removes the blobs of deleted items, and what the journal says about them if none is left.
  absl::Status RemoveDeleted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After a commit: removes the blobs that no item names any more, then what the journal still says
  // about them. A blob that cannot be removed is tried again by the next call and the next start,
  // and the journal keeps its line until then.
  void Clean(std::set<std::string> digests) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const GalleryWriterParts parts_;

  absl::Mutex mutex_;
  const std::unique_ptr<Catalogue> catalogue_ ABSL_PT_GUARDED_BY(mutex_);
  const std::unique_ptr<ItemJournal> journal_ ABSL_PT_GUARDED_BY(mutex_);
  // Blobs of deleted items that could not be removed yet.
  std::set<std::string> undeleted_ ABSL_GUARDED_BY(mutex_);
  // Blobs of writes whose commit failed. They stay until the next commit: before that, a crash may
  // bring the failed one back, and with it items that need them.
  std::set<std::string> doubtful_ ABSL_GUARDED_BY(mutex_);
  // The catalogue's log may still have what a deletion removed, because somebody was reading it.
  bool log_due_ ABSL_GUARDED_BY(mutex_) = false;
  int adds_on_hold_ ABSL_GUARDED_BY(mutex_) = 0;

  absl::Mutex protected_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  // Digests of the items that are being added, each as often as it is.
  std::multiset<std::string> protected_ ABSL_GUARDED_BY(protected_mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_GALLERY_GALLERY_WRITER_H_
