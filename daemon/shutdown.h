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

namespace s2p {

// Turns the first SIGINT or SIGTERM into a flag, a wake-up and callbacks on an ordinary thread, so
// that the program can drain; the signal handler only writes one byte to a pipe. A second signal
// ends the process immediately, as by default: draining may hang, and the operator must win.
//
// One at a time in a process. Its end restores the former signal handlers. Thread-safe.
class Shutdown {
 public:
  // FailedPrecondition if another one exists; Internal if the system refuses pipe or handlers.
  static absl::StatusOr<std::unique_ptr<Shutdown>> Install();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  // Acts like a first signal; does nothing after one.
  void Request();

  // Cheap enough for every step of a loop.
  bool requested() const { return requested_.load(std::memory_order_acquire); }

  // Blocks until an end is requested.
  void Wait() const;

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
  mutable absl::Mutex mutex_;
  bool signalled_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::function<void()>> callbacks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_SHUTDOWN_H_
