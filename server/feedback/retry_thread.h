// Work that failed, tried again after a pause.
#ifndef S2P_SERVER_FEEDBACK_RETRY_THREAD_H_
#define S2P_SERVER_FEEDBACK_RETRY_THREAD_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"

namespace s2p {

// Runs work that nobody waits for, on a thread of low priority that lives from construction to
// destruction. Thread-safe.
class RetryThread {
 public:
  // `work` may call Wake, to run once more.
  RetryThread(absl::Duration pause, std::function<void()> work);
  // Waits for work that runs.
  ~RetryThread();
  RetryThread(const RetryThread&) = delete;
  RetryThread& operator=(const RetryThread&) = delete;

  // Runs the work a pause later. Calls before it begins share one run.
  void Wake();

 private:
  void Run();
  // Waits until the work is to begin. False at the end.
  bool AwaitTurn() ABSL_LOCKS_EXCLUDED(mutex_);

  const absl::Duration pause_;
  const std::function<void()> work_;
  absl::Mutex mutex_;
  SteadyWait changed_;
  bool due_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_RETRY_THREAD_H_
