// The events of a job, in order.
#ifndef S2P_TRAINER_JOBS_JOB_EVENTS_H_
#define S2P_TRAINER_JOBS_JOB_EVENTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// 16 MiB hold an hour or more of progress, four times a second, and years of epochs.
inline constexpr int64_t kMostEventBytes = int64_t{16} << 20;

// A file with one WatchJobResponse in JSON per line, numbered from 1 in ascending order. When it
// grows above a limit, it is replaced by a shorter one: the newer half stays as it is, and of the
// older half only what a person would look for, the newest quarter of the limit of it: messages,
// changes of state, ends of epochs. Numbers never change. Opening the file drops an incomplete end
// that a crash left; the next event overwrites it. Thread-safe.
class JobEvents {
 public:
  // The file may be missing: the first event creates it. DataLoss if it cannot be read.
  static absl::StatusOr<std::shared_ptr<JobEvents>> Open(const std::string& path,
                                                         int64_t most_bytes = kMostEventBytes);
  ~JobEvents();
  JobEvents(const JobEvents&) = delete;
  JobEvents& operator=(const JobEvents&) = delete;

  // Numbers the event and appends it; `sync` makes it and all before it durable. On failure
  // (ResourceExhausted when the disk is full), nothing is appended and the number is not used.
  absl::Status Append(v1::WatchJobResponse event, bool sync);

  // Number of the last event; 0 if there is none yet.
  int64_t last_event() const;
  const std::string& path() const { return path_; }

 private:
  friend class JobEventReader;
  // The state that a reader sees: how often the file has been replaced, and the size of its
  // complete events.
  struct View {
    int64_t replaced = 0;
    int64_t size_bytes = 0;
  };

  JobEvents(std::string path, int64_t most_bytes, int descriptor, int64_t last_event,
            int64_t size_bytes)
      : path_(std::move(path)),
        most_bytes_(most_bytes),
        descriptor_(descriptor),
        last_event_(last_event),
        size_bytes_(size_bytes),
        shorten_above_bytes_(most_bytes) {}
  absl::Status Write(const std::string& line, bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Shorten() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  View view() const;
  // Opens the present file once more; the caller closes it.
  absl::StatusOr<int> OpenAgain(View& view) const;

  const std::string path_;
  const int64_t most_bytes_;
  mutable absl::Mutex mutex_;
  // -1 until the first event.
  int descriptor_ ABSL_GUARDED_BY(mutex_);
  int64_t last_event_ ABSL_GUARDED_BY(mutex_);
  // Size of the complete events; anything after them is dropped.
  int64_t size_bytes_ ABSL_GUARDED_BY(mutex_);
  // Above most_bytes_ after an attempt that failed.
  int64_t shorten_above_bytes_ ABSL_GUARDED_BY(mutex_);
  int64_t replaced_ ABSL_GUARDED_BY(mutex_) = 0;
  bool has_torn_end_ ABSL_GUARDED_BY(mutex_) = false;
};

// One reader's position in the events. Holds at most 64 KiB and a line of the file, however far it
// is behind. Thread-compatible.
class JobEventReader {
 public:
  // Starts with the event `from_event`, which need not exist yet, or with the first one after it if
  // it is not stored any more; less than 1 means 1.
  JobEventReader(std::shared_ptr<const JobEvents> events, int64_t from_event);
  ~JobEventReader();
  JobEventReader(const JobEventReader&) = delete;
  JobEventReader& operator=(const JobEventReader&) = delete;

  // Returns the next event, or nothing if it has not happened yet. DataLoss names the file and the
  // event if it is damaged.
  absl::StatusOr<std::optional<v1::WatchJobResponse>> Next();

 private:
  // The next line without its end; nothing if there is none yet.
  absl::StatusOr<std::optional<std::string>> NextLine();

  const std::shared_ptr<const JobEvents> events_;
  // The smallest number that has not been returned yet.
  int64_t next_event_;
  int descriptor_ = -1;
  // JobEvents::View::replaced of the file that is open.
  int64_t replaced_ = 0;
  // End of the part of the file that is in `buffer_` or already read.
  int64_t offset_bytes_ = 0;
  std::string buffer_;
  size_t used_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_EVENTS_H_
