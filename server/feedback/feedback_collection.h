// The feedback of a server: kept, reviewed, forgotten, and given to the trainer as a data set.
#ifndef S2P_SERVER_FEEDBACK_FEEDBACK_COLLECTION_H_
#define S2P_SERVER_FEEDBACK_FEEDBACK_COLLECTION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
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
#include "server/feedback/retry_thread.h"
#include "server/feedback/shared_write.h"
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
  // The time after which a write that nobody waits for is tried again.
  absl::Duration retry_after = absl::Minutes(1);
};

// The file of feedback in a data folder.
std::string FeedbackFileOf(const std::string& data_dir);

// Warns in the log if the folder, which an earlier start wrote as its data set, is still there:
// this start does not take out of it what is forgotten or deleted. Empty: there was none.
void WarnOfFormerDataSet(const std::string& folder);

// A verdict on a photo, to be kept. A plain value.
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
  // `gallery` and `options.faults` are borrowed. Errors as FeedbackStore::Open; FailedPrecondition
  // as PairFolder::Open. Other errors of the data set are faults, as are those of a store that can
  // be read and not written: a thread tries again every `retry_after`.
  static absl::StatusOr<std::unique_ptr<FeedbackCollection>> Open(const FeedbackOptions& options,
                                                                  const Gallery* gallery);

  // The opposite of a verdict by the same key on the same drawing and photo replaces it, unless it
  // was reviewed. NotFound for an unknown photo; InvalidArgument for an item that is a sketch;
  // AlreadyExists if the id belongs to other content; ResourceExhausted if the disk has no room or
  // the store has max_bytes.
  absl::StatusOr<FeedbackStore::Inserted> Record(const NewFeedback& feedback);
  // Says for each id whether it is known; sets all of these, or none.
  absl::StatusOr<std::vector<bool>> Review(absl::Span<const std::string> feedback_ids,
                                           FeedbackState state);
  // The same. Drawings are gone from data set and store when it returns. After an error the store
  // has all of them, or it has none and their bytes are not overwritten yet: a call with the same
  // ids tries again.
  absl::StatusOr<std::vector<bool>> Forget(absl::Span<const std::string> feedback_ids);
  // Brings the data set up to date with photos that were replaced or deleted, or whose metadata
  // changed; to be called after the change. OK: no copy of what they were is there. After an error
  // it may be called again.
  absl::Status PhotosChanged(absl::Span<const std::string> photo_ids);
  // The same for a photo whose id was new. There is no copy to wait for, so it waits only if people
  // have confirmed drawings of the photo.
  absl::Status PhotoAdded(const std::string& photo_id);

  // As the store's.
  absl::StatusOr<FeedbackRecord> Find(const std::string& feedback_id) const;
  absl::StatusOr<std::string> ReadSketch(const std::string& feedback_id) const;
  absl::StatusOr<std::vector<StoredFeedback>> List(const FeedbackFilter& filter, int64_t after,
                                                   int limit) const;
  FeedbackTotals Totals() const { return store_->Totals(); }
  uint64_t max_bytes() const { return options_.max_bytes; }
  // Pairs in the data set; 0 without one.
  int64_t pairs() const { return pairs_; }

  // The photo that a record's verdict is about, if the gallery has it unchanged; null otherwise.
  absl::StatusOr<std::shared_ptr<const GalleryItem>> CurrentPhoto(
      const FeedbackRecord& record) const;
  // Accepted matches after (`photo_id`, `place`), in the order of export: a few hundred of them, or
  // none after the last.
  absl::StatusOr<std::vector<StoredFeedback>> NextMatches(const std::string& photo_id,
                                                          int64_t place) const;
  // An entry as it is exported now. NotFound if it is not: it was forgotten, is no accepted match,
  // or the gallery does not have its photo unchanged.
  absl::StatusOr<ExportedMatch> Export(const std::string& feedback_id) const;

 private:
  // `folder` is null if there is no data set, or it could not be opened.
  FeedbackCollection(const FeedbackOptions& options, const Gallery* gallery,
                     std::unique_ptr<FeedbackStore> store, std::unique_ptr<PairFolder> folder);
  class Reviewing;
  class Leaving;

  bool has_data_set() const { return !options_.data_set.empty(); }
  // Makes the store remember the data set, whose copies outlive this start, and warns of another
  // one.
  absl::Status RememberDataSet();
  // Makes the data set hold what is to be exported, as it is after this call or later.
  absl::Status UpdateDataSet();
  // The data set may have copies that are not to be there: its last write failed, or a review is in
  // progress whose write is not over.
  bool data_set_lags() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Tries again what is due; for the thread that retries.
  void WriteDue() ABSL_LOCKS_EXCLUDED(mutex_);
  // The write that UpdateDataSet shares.
  absl::Status WriteDataSet() ABSL_LOCKS_EXCLUDED(mutex_);
  struct LeftOut;
  // Sets `is_late` if a pair is left out that the next write may have.
  absl::Status WritePairs(const std::multiset<std::string>& leaving, bool& is_late);
  // Opens the data set unless it is open.
  absl::Status OpenFolder();
  PairFolder::Sources DataSetSources(LeftOut& left_out) const;
  // Logs each reason once, and again when it concerns another number of pairs.
  void LogLeftOut(const LeftOut& left_out);
  absl::StatusOr<std::vector<ConfirmedPair>> Pairs(const std::multiset<std::string>& leaving) const;
  absl::Status CheckRoom(uint64_t bytes) const;
  // To be called after a write of the store, with what it has written. Reports, and returns as a
  // caller may know it, an error that keeps in the store's files what was removed.
  absl::Status StoreWrote(const std::vector<bool>& written);
  // Reports an error, and makes it one that a caller may know.
  template <typename Result>
  Result Told(Result result) const;

  const FeedbackOptions options_;
  const Gallery& gallery_;
  Faults& faults_;
  const DiskReserve reserve_;
  // The reserve of the disk that has the data set.
  const DiskReserve data_set_reserve_;
  const std::unique_ptr<FeedbackStore> store_;
  // Null until the data set could be opened. Used by the write that runs alone.
  std::unique_ptr<PairFolder> folder_;
  // The number of pairs that the last write left out, by the code of the reason. As `folder_`.
  std::map<absl::StatusCode, int64_t> logged_left_out_;
  std::atomic<int64_t> pairs_{0};
  // StoreWrote has reported an error, which has not ended.
  std::atomic<bool> erasure_failed_{false};

  mutable absl::Mutex mutex_;
  int reviewing_ ABSL_GUARDED_BY(mutex_) = 0;
  // The last write failed.
  bool data_set_stale_ ABSL_GUARDED_BY(mutex_) = false;
  // The last write left out a pair that the next one may have.
  bool data_set_late_ ABSL_GUARDED_BY(mutex_) = false;
  // Entries that leave the data set before they leave the store, once for each call.
  std::multiset<std::string> leaving_ ABSL_GUARDED_BY(mutex_);

  SharedWrite write_;
  RetryThread retry_;
};

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_FEEDBACK_COLLECTION_H_
