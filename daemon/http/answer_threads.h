// The threads that make the answers of HttpServer. Only daemon/http includes this header.
#ifndef S2P_DAEMON_HTTP_ANSWER_THREADS_H_
#define S2P_DAEMON_HTTP_ANSWER_THREADS_H_

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/callers/fair_places.h"
#include "daemon/callers/fair_queue.h"

namespace s2p {

// Callers take turns, and the work of one caller begins in the order in which it was submitted. One
// caller occupies at most half of the threads (but at least one), so that work which waits for
// something else leaves the other half to others. The caller with the empty name is nobody in
// particular, and may have all. Thread-safe.
class AnswerThreads {
 public:
  // `threads` is at least 1. `max_waiting`: further work that may wait for a thread.
  AnswerThreads(int threads, int max_waiting);
  // Stops, as Stop does.
  ~AnswerThreads();
  AnswerThreads(const AnswerThreads&) = delete;
  AnswerThreads& operator=(const AnswerThreads&) = delete;

  // Runs `work` once it is the caller's turn. False, without running it, after Stop and if there is
  // no room for the caller: as much work runs and waits as may, and the caller has its share of
  // that already (FairPlaces).
  bool Submit(const std::string& caller, std::function<void()> work);
  // Ends the threads when all that was submitted has run. Idempotent; for one thread at a time.
  void Stop();

 private:
  struct Work {
    std::string caller;
    std::function<void()> run;
  };

  void Run();
  // Waits for work whose turn it is. Nothing at the end.
  std::optional<Work> Next();

  const int most_per_caller_;
  absl::Mutex mutex_;
  // The work that was submitted and has not ended.
  FairPlaces submitted_ ABSL_GUARDED_BY(mutex_);
  // The part of it that waits; its places are counted above.
  FairQueue<Work> waiting_ ABSL_GUARDED_BY(mutex_);
  // The part of it that runs; nobody asks these for room.
  FairPlaces running_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_ANSWER_THREADS_H_
