// What has happened to a job, in the order it happened.
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

// A file that only grows: one WatchJobResponse in JSON a line, numbered from 1. What a crash cut
// short at its end is dropped when it is opened, and written over. Thread-safe.
class JobEvents {
 public:
  // The file need not be there: it is made by the first event. DataLoss if it cannot be read.
  static absl::StatusOr<std::shared_ptr<JobEvents>> Open(const std::string& path);
  ~JobEvents();
  JobEvents(const JobEvents&) = delete;
  JobEvents& operator=(const JobEvents&) = delete;

  // Numbers the event and appends it; `sync` makes it and all before it durable. On failure
  // (ResourceExhausted when the disk is full) nothing is appended and no number used up.
  absl::Status Append(v1::WatchJobResponse event, bool sync);

  // 0 if there is none yet.
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
  // Whole events; what lies behind is to be cut off.
  int64_t size_bytes_ ABSL_GUARDED_BY(mutex_);
  bool has_torn_end_ ABSL_GUARDED_BY(mutex_) = false;
};

// One reader's place in the events. Holds at most 64 KiB and a line of the file, however far the
// events are ahead of it. Thread-compatible.
class JobEventReader {
 public:
  // Begins with the event `from_event`; less than 1 means 1. It need not be there yet.
  JobEventReader(std::shared_ptr<const JobEvents> events, int64_t from_event);
  ~JobEventReader();
  JobEventReader(const JobEventReader&) = delete;
  JobEventReader& operator=(const JobEventReader&) = delete;

  // The next event, or nothing if it has not happened yet. DataLoss naming the file and the event
  // if that is damaged.
  absl::StatusOr<std::optional<v1::WatchJobResponse>> Next();

 private:
  // The next line without its end; nothing if there is none yet.
  absl::StatusOr<std::optional<std::string>> NextLine();

  const std::shared_ptr<const JobEvents> events_;
  int64_t skip_;
  int64_t next_event_ = 1;
  int descriptor_ = -1;
  // Of the file, from its begin, that is in `buffer_` or behind us.
  int64_t offset_bytes_ = 0;
  std::string buffer_;
  size_t used_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_EVENTS_H_
