// The feedback of a server: kept, reviewed, forgotten, and given to the trainer as a data set.
#ifndef S2P_SERVER_FEEDBACK_FEEDBACK_COLLECTION_H_
#define S2P_SERVER_FEEDBACK_FEEDBACK_COLLECTION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "daemon/disk_space.h"
#include "server/faults/faults.h"
#include "server/feedback/feedback_record.h"
#include "server/feedback/feedback_store.h"
#include "server/feedback/kept_sketch.h"
#include "server/feedback/pair_folder.h"
#include "server/gallery/gallery.h"

namespace s2p {

struct FeedbackOptions {
  // feedback.db lives here, next to the gallery, which has locked the folder.
  std::string data_dir;
  // The folder that has the accepted matches as a data set; empty: none.
  std::string data_set;
  // Bytes of drawings; more are refused.
  uint64_t max_bytes = uint64_t{1} << 30;
  // As in GalleryOptions.
  MinFree min_free;
  DiskReserve::Measure measure_disk;
  Faults* faults = nullptr;
  // The clock; tests replace it.
  std::function<absl::Time()> now = absl::Now;
};

// The file of feedback in a data folder.
std::string FeedbackFileOf(const std::string& data_dir);

// What somebody says about a photo. A plain value.
struct NewFeedback {
  // Empty: the content's digest is the id.
  std::string feedback_id;
  std::string photo_id;
  Verdict verdict = Verdict::kMatch;
  std::string recorded_by;
  KeptSketch sketch;
};

// An accepted match whose photo the gallery has. A plain value.
struct ExportedMatch {
  int64_t place = 0;
  FeedbackRecord record;
  std::shared_ptr<const GalleryItem> photo;
  // The photo's metadata "identity", or its id.
  std::string identity;
};

// Owns the store and the data set. What it has answered is durable. Errors of the files are
// reported as faults, and have no paths: ResourceExhausted, DataLoss, Internal. Thread-safe.
class FeedbackCollection {
 public:
  // Opens or creates both, and brings the data set up to date, which repairs what a crash has left.
  // `gallery` and `options.faults` are borrowed. Errors as FeedbackStore::Open and
  // PairFolder::Open.
  static absl::StatusOr<std::unique_ptr<FeedbackCollection>> Open(const FeedbackOptions& options,
                                                                  const Gallery* gallery);

  // NotFound for an unknown photo; InvalidArgument for an item that is a sketch; AlreadyExists if
  // the id belongs to other content; ResourceExhausted if the disk has no room or the store has
  // max_bytes.
  absl::StatusOr<FeedbackStore::Inserted> Record(const NewFeedback& feedback);
  // Says for each id whether it is known; sets all of these, or none.
  absl::StatusOr<std::vector<bool>> Review(absl::Span<const std::string> feedback_ids,
                                           FeedbackState state);
  // The same. Drawings are gone from data set and store when it returns; after an error the store
  // has all of them.
  absl::StatusOr<std::vector<bool>> Forget(absl::Span<const std::string> feedback_ids);
  // Takes the pairs of photos out of the data set that the gallery has not any more, or has with
  // other bytes; to be called after such a change. After an error it may be called again.
  absl::Status PhotosChanged(absl::Span<const std::string> photo_ids);

  // As the store's.
  absl::StatusOr<FeedbackRecord> Find(const std::string& feedback_id) const;
  absl::StatusOr<std::string> ReadSketch(const std::string& feedback_id) const;
  absl::StatusOr<std::vector<StoredFeedback>> List(const FeedbackFilter& filter, int64_t after,
                                                   int limit) const;
  FeedbackTotals Totals() const { return store_->Totals(); }
  uint64_t max_bytes() const { return options_.max_bytes; }
  // Pairs in the data set; 0 without one.
  int64_t pairs() const { return pairs_; }

  // The photo of a record, if it is an accepted match and the gallery has the photo unchanged; null
  // otherwise.
  absl::StatusOr<std::shared_ptr<const GalleryItem>> PhotoToExport(
      const FeedbackRecord& record) const;
  // The first match to export after (`photo_id`, `place`); nullopt after the last.
  absl::StatusOr<std::optional<ExportedMatch>> NextMatch(const std::string& photo_id,
                                                         int64_t place) const;

 private:
  FeedbackCollection(const FeedbackOptions& options, const Gallery* gallery,
                     std::unique_ptr<FeedbackStore> store, std::unique_ptr<PairFolder> folder);
  // Makes the data set hold what is to be exported, without the entries `except`.
  absl::Status WriteDataSet(const std::set<std::string>& except = {})
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<ConfirmedPair>> Pairs(const std::set<std::string>& except) const;
  absl::Status CheckRoom(uint64_t bytes) const;
  // As a caller may know the error.
  template <typename Result>
  Result Told(Result result) const;

  const FeedbackOptions options_;
  const Gallery& gallery_;
  Faults& faults_;
  const DiskReserve reserve_;
  // Of the disk of the data set.
  const DiskReserve data_set_reserve_;
  const std::unique_ptr<FeedbackStore> store_;
  std::atomic<int64_t> pairs_{0};

  // Held for a change of what is exported, until the data set has it.
  mutable absl::Mutex mutex_;
  const std::unique_ptr<PairFolder> folder_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_FEEDBACK_COLLECTION_H_
