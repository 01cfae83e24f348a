// Waiting on the steady clock.
#ifndef S2P_BASE_STEADY_WAIT_H_
#define S2P_BASE_STEADY_WAIT_H_

#include <chrono>
#include <condition_variable>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/steady_time.h"

namespace s2p {

// Lets a thread that holds an absl::Mutex wait for a condition until a SteadyTime. (absl's own
// timed waits end at a time of the system's clock: set back by an hour, it makes them last an hour
// longer.) Whoever changes what a condition reads calls NotifyAll. Thread-safe.
class SteadyWait {
 public:
  // Returns when `condition` holds, or at `deadline`: whether it holds. It is called with the mutex
  // held.
  template <typename Condition>
  bool Until(absl::Mutex* mutex, SteadyTime deadline, Condition condition)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Lockable lockable{mutex};
    while (!condition()) {
      const absl::Duration left = deadline - SteadyTime::Now();
      if (left <= absl::ZeroDuration()) return false;
      // A bound that every clock's arithmetic can hold; the loop makes it longer.
      const absl::Duration slice = left < absl::Hours(24) ? left : absl::Hours(24);
      changed_.wait_until(lockable,
                          std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(slice));
    }
    return true;
  }
  void NotifyAll() { changed_.notify_all(); }

 private:
  // An absl::Mutex with the names that the standard library calls.
  struct Lockable {
    void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex->Lock(); }
    void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex->Unlock(); }
    absl::Mutex* mutex;
  };
  std::condition_variable_any changed_;
};

}  // namespace s2p

#endif  // S2P_BASE_STEADY_WAIT_H_
