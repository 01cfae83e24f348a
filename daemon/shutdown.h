// The request to end, by SIGINT, SIGTERM or the program itself.
#ifndef S2P_DAEMON_SHUTDOWN_H_
#define S2P_DAEMON_SHUTDOWN_H_

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"

namespace s2p {

// Turns the first SIGINT or SIGTERM into a flag, a wake-up and callbacks on an ordinary thread, so
// that the program can drain; the signal handler only writes one byte to a pipe. The next signal
// ends a lame duck, if there is one. Any further one ends the process immediately, as by default:
// draining may hang, and the operator must win.
//
// One at a time in a process. Its end restores the former signal handlers. Thread-safe.
class Shutdown {
 public:
  // FailedPrecondition if another one exists; Internal if the system refuses pipe or handlers.
  static absl::StatusOr<std::unique_ptr<Shutdown>> Install();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  // Acts like a first signal; does nothing after one, and does not end a lame duck.
  void Request();

  // Cheap enough for every step of a loop.
  bool requested() const { return requested_.load(std::memory_order_acquire); }

  // Blocks until an end is requested.
  void Wait() const;

  // Blocks until an end is requested, calls `begin`, and blocks for `lame_duck` more, or until
  // another signal comes: this one ends only the wait. As Wait if `lame_duck` is zero or less.
  void WaitWithLameDuck(absl::Duration lame_duck, const std::function<void()>& begin) const;

  // Runs `callback` once, on this object's thread, when an end is requested (or soon, if it already
  // is), in the order of these calls. Callbacks may take long (a drain), but delay the next one and
  // the destructor.
  void OnRequest(std::function<void()> callback);

 private:
  Shutdown(int read_fd, int write_fd);
  void Watch();

  const int read_fd_;
  const int write_fd_;
  std::atomic<bool> requested_{false};
  mutable SteadyWait wait_;
  mutable absl::Mutex mutex_;
  bool signalled_ ABSL_GUARDED_BY(mutex_) = false;
  // A signal came after the end was requested.
  bool hurried_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_SHUTDOWN_H_
