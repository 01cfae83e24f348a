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

// A file that only grows: one WatchJobResponse in JSON per line, numbered from 1. Opening it drops
// an incomplete end that a crash left; the next event overwrites it. Thread-safe.
class JobEvents {
 public:
  // The file may be missing: the first event creates it. DataLoss if it cannot be read.
  static absl::StatusOr<std::shared_ptr<JobEvents>> Open(const std::string& path);
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
  JobEvents(std::string path, int descriptor, int64_t last_event, int64_t size_bytes)
      : path_(std::move(path)),
        descriptor_(descriptor),
        last_event_(last_event),
        size_bytes_(size_bytes) {}
  absl::Status Write(const std::string& line, bool sync) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int64_t size_bytes() const;

  const std::string path_;
  mutable absl::Mutex mutex_;
  // -1 until the first event.
  int descriptor_ ABSL_GUARDED_BY(mutex_);
  int64_t last_event_ ABSL_GUARDED_BY(mutex_);
  // Size of the complete events; anything after them is dropped.
  int64_t size_bytes_ ABSL_GUARDED_BY(mutex_);
  bool has_torn_end_ ABSL_GUARDED_BY(mutex_) = false;
};

// One reader's position in the events. Holds at most 64 KiB and a line of the file, however far it
// is behind. Thread-compatible.
class JobEventReader {
 public:
  // Starts with the event `from_event`, which need not exist yet; less than 1 means 1.
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
  int64_t skip_;
  int64_t next_event_ = 1;
  int descriptor_ = -1;
  // End of the part of the file that is in `buffer_` or already read.
  int64_t offset_bytes_ = 0;
  std::string buffer_;
  size_t used_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_EVENTS_H_
