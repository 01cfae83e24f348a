// The durable store of feedback: one SQLite file.
#ifndef S2P_SERVER_FEEDBACK_FEEDBACK_STORE_H_
#define S2P_SERVER_FEEDBACK_FEEDBACK_STORE_H_

#include <cstdint>
#include <functional>
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
#include "server/feedback/feedback_record.h"

namespace s2p {

class SqliteConnection;

inline constexpr int kFeedbackFormatVersion = 1;

// An entry and its place in the order of recording. Places are never reused.
struct StoredFeedback {
  int64_t place = 0;
  FeedbackRecord record;
};

// A default filter passes everything.
struct FeedbackFilter {
  std::optional<FeedbackState> state;
  // Empty: recorded by anyone.
  std::string recorded_by;
};

// Entries with their drawings, next to the gallery's catalogue, whose folder's lock guards it. A
// write is durable when it returns, and a failed one has changed nothing. Drawings are in the
// database, and not in files of their own, because one transaction then has both, and what is
// deleted is overwritten. Any call may fail with ResourceExhausted (the disk is full),
// PermissionDenied (it cannot be written), DataLoss (the file is damaged) or Internal. Thread-safe:
// calls take turns.
class FeedbackStore {
 public:
  // Opens the file, or creates it, and checks all of it. A log that cannot be emptied is no error:
  // CheckErased. Errors as OpenSqliteFile.
  static absl::StatusOr<std::unique_ptr<FeedbackStore>> Open(const std::string& path);
  ~FeedbackStore();

  // Made with the file, and copied with it: tells stores apart.
  const std::string& id() const { return id_; }
  // The folder that has, or had, the accepted matches as a data set, as SetDataSet was told; empty:
  // none ever had. It outlives restarts, because copies of drawings do.
  std::string data_set() const;
  absl::Status SetDataSet(const std::string& folder);

  struct Inserted {
    FeedbackRecord record;
    // False: the store had an entry of this content, which `record` is.
    bool is_new = false;
    // The entry of `opposite_digest` is gone.
    bool replaced = false;
  };
  // `sketch` is the PNG. AlreadyExists if the id belongs to other content; OutOfRange if the store
  // would then have more than `most_bytes`, as FeedbackTotals counts them. Removes the entry of
  // `opposite_digest`, the same drawing and photo with the other verdict, if it is pending and
  // recorded by the same key: whoever says the opposite takes back what was said before.
  absl::StatusOr<Inserted> Insert(const FeedbackRecord& record, absl::string_view sketch,
                                  uint64_t most_bytes, const std::string& opposite_digest = "");
  struct Reviewed {
    // For each id, whether it was there.
    std::vector<bool> found;
    // One of the entries has become an accepted match, or was one and is not any more.
    bool matches_changed = false;
  };
  // All or none.
  absl::StatusOr<Reviewed> SetState(absl::Span<const std::string> feedback_ids, FeedbackState state,
                                    absl::Time reviewed_at);
  // Says for each id whether it was there. All or none. Nothing of the entries is left in the file
  // and its log, unless CheckErased says otherwise, or a backup that is being made keeps the log
  // from being emptied, until the next write after it.
  absl::StatusOr<std::vector<bool>> Remove(absl::Span<const std::string> feedback_ids);
  // The error that has kept what was removed from being overwritten in the file and its log.
  // Erase, SetState and Remove, whatever their ids, and an Insert of something new try again; OK
  // once one has succeeded.
  absl::Status CheckErased() const;
  void Erase();

  // NotFound.
  absl::StatusOr<FeedbackRecord> Find(const std::string& feedback_id) const;
  // The PNG. NotFound.
  absl::StatusOr<std::string> ReadSketch(const std::string& feedback_id) const;
  // Entries that pass, with a place > `after`, in their order, at most `limit`.
  absl::StatusOr<std::vector<StoredFeedback>> List(const FeedbackFilter& filter, int64_t after,
                                                   int limit) const;
  // Accepted matches in the order of their photo_id and, for each, of their places: those after
  // (`photo_id`, `place`), at most `limit`.
  absl::StatusOr<std::vector<StoredFeedback>> ListMatches(const std::string& photo_id,
                                                          int64_t place, int limit) const;
  // Whether there is an accepted match of one of these photos, or among these entries. Other calls
  // may come between the ids.
  absl::StatusOr<bool> HasMatchOf(absl::Span<const std::string> photo_ids) const;
  absl::StatusOr<bool> HasMatchAmong(absl::Span<const std::string> feedback_ids) const;
  FeedbackTotals Totals() const;

 private:
  FeedbackStore(std::unique_ptr<SqliteConnection> connection, std::string id);
  // Runs `work` in a transaction.
  absl::Status Atomically(const std::function<absl::Status()>& work)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<StoredFeedback>> FindBy(const char* sql,
                                                       const std::string& text) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Each is part of a transaction, and counts the change in `totals`.
  absl::Status AddEntry(FeedbackRecord& record, absl::string_view sketch, FeedbackTotals& totals)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status RemoveEntry(const FeedbackRecord& record, FeedbackTotals& totals)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Calls `run` for each entry that is there, in one transaction. Says for each id whether it was.
  absl::StatusOr<std::vector<bool>> ForEachEntry(
      absl::Span<const std::string> feedback_ids,
      const std::function<absl::Status(const FeedbackRecord& record)>& run)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the statement `sql` has a row for one of the ids.
  absl::StatusOr<bool> HasMatch(const char* sql, absl::Span<const std::string> ids) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  void EmptyLog() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string id_;
  mutable absl::Mutex mutex_;
  std::unique_ptr<SqliteConnection> connection_ ABSL_GUARDED_BY(mutex_);
  std::string data_set_ ABSL_GUARDED_BY(mutex_);
  FeedbackTotals totals_ ABSL_GUARDED_BY(mutex_);
  // A transaction is open that could not be rolled back.
  bool stuck_ ABSL_GUARDED_BY(mutex_) = false;
  // The log may still have what was removed.
  bool log_due_ ABSL_GUARDED_BY(mutex_) = false;
  // The error that the log could not be emptied for, since it was last empty.
  absl::Status log_status_ ABSL_GUARDED_BY(mutex_);
};

// FeedbackStore::data_set of the store in a file, which is not checked as a whole. Errors as
// OpenSqliteFileAgain.
absl::StatusOr<std::string> FeedbackDataSetOf(const std::string& path);

// Checks all of the store in a file, and changes nothing. Errors as OpenSqliteFile.
absl::StatusOr<FeedbackTotals> CheckFeedbackFile(const std::string& path);

// Copies one commit of a store, which a server may be writing, to `to`. The copy is synced.
absl::Status CopyFeedback(const std::string& from, const std::string& to);

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_FEEDBACK_STORE_H_
