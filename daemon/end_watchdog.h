// A bound on the end of a process.
#ifndef S2P_DAEMON_END_WATCHDOG_H_
#define S2P_DAEMON_END_WATCHDOG_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"

namespace s2p {

// The exit code of a process that a watchdog has ended.
inline constexpr int kOverrunExit = 3;

// While it lives, the process has to do something for the last time. If it still lives after
// `at_most`, it logs an error and ends the process with kOverrunExit, without destructors. A file
// system that hangs, or a library that cannot be interrupted, would otherwise hold the process for
// as long as it likes.
class EndWatchdog {
 public:
  explicit EndWatchdog(absl::Duration at_most);
  ~EndWatchdog();
  EndWatchdog(const EndWatchdog&) = delete;
  EndWatchdog& operator=(const EndWatchdog&) = delete;

 private:
  void Watch(absl::Duration at_most);

  absl::Mutex mutex_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  SteadyWait wait_;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_END_WATCHDOG_H_
