// Threads for work that gRPC's own threads must not do: decoding and disk access.
#ifndef S2P_RPC_WORKER_POOL_H_
#define S2P_RPC_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/drain_estimate.h"

namespace s2p {

// Runs jobs in the order of their arrival. Thread-safe.
class WorkerPool {
 public:
  // `max_queue`: jobs that may wait.
  WorkerPool(int threads, int max_queue);
  // As Stop.
  ~WorkerPool();

  // BusyError when the queue is full, with an estimate of the time that it takes to empty;
  // Unavailable after Stop. On error the job never runs.
  absl::Status Submit(std::function<void()> job);
  // Runs the waiting jobs, then ends the threads. Idempotent.
  void Stop();

 private:
  void Run();

  const size_t max_queue_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  DrainEstimate drain_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace s2p

#endif  // S2P_RPC_WORKER_POOL_H_
