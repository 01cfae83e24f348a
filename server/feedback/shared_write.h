// One write for all who wait for it.
#ifndef S2P_SERVER_FEEDBACK_SHARED_WRITE_H_
#define S2P_SERVER_FEEDBACK_SHARED_WRITE_H_

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// Runs a write that makes a whole file or folder anew, so that one run serves every change made
// before it began: callers that come while a write runs wait for it to end, and then share the next
// one. A hundred changes at the same time cost two writes. Thread-safe.
class SharedWrite {
 public:
  // `write` runs on the threads of the callers, one run at a time, and must not call Run.
  explicit SharedWrite(std::function<absl::Status()> write);

  // Returns the outcome of a write that began after this call.
  absl::Status Run();

  // Callers that are in Run.
  int64_t callers() const;

 private:
  const std::function<absl::Status()> write_;
  mutable absl::Mutex mutex_;
  int64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  // The calls that had come when the last write began that has ended.
  int64_t served_ ABSL_GUARDED_BY(mutex_) = 0;
  // The calls that have returned.
  int64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  // The outcome of the last write that has ended.
  absl::Status outcome_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_SHARED_WRITE_H_
