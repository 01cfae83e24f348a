// Threads for work that gRPC's own must not do: decoding and disk.
#ifndef S2P_SERVER_WORKER_POOL_H_
#define S2P_SERVER_WORKER_POOL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// Pixels that decoded images may take at one time, over all requests. Thread-safe.
class PixelBudget {
 public:
  // Part of the budget, given back when the last copy of the pointer is gone.
  using Share = std::shared_ptr<void>;

  explicit PixelBudget(int64_t pixels) : total_(pixels), left_(pixels) {}

  // Blocks until `pixels` are free. More than the whole budget counts as all of it.
  Share Take(int64_t pixels);

 private:
  const int64_t total_;
  absl::Mutex mutex_;
  int64_t left_ ABSL_GUARDED_BY(mutex_);
};

// Runs jobs in the order they come. Thread-safe.
class WorkerPool {
 public:
  // `max_queue`: jobs that may wait.
  WorkerPool(int threads, int max_queue);
  // As Stop.
  ~WorkerPool();

  // ResourceExhausted when the queue is full, Unavailable after Stop; the job is not run then.
  absl::Status Submit(std::function<void()> job);
  // Runs what waits, then ends the threads. Idempotent.
  void Stop();

 private:
  void Run();

  const size_t max_queue_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace s2p

#endif  // S2P_SERVER_WORKER_POOL_H_
