// Threads for work that gRPC's own threads must not do: decoding and disk access.
#ifndef S2P_RPC_WORKER_POOL_H_
#define S2P_RPC_WORKER_POOL_H_

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/callers/fair_queue.h"
#include "daemon/drain_estimate.h"

namespace s2p {

// Runs jobs; callers take turns, and the jobs of one caller keep their order. Thread-safe.
class WorkerPool {
 public:
  // Called exactly once: with OK on a thread of the pool when it is the job's turn, or with
  // Unavailable, perhaps on another thread, if the pool is closed before. Then it must only say so
  // to whoever waits.
  using Job = std::function<void(const absl::Status& turn)>;

  // `max_queue`: jobs that may wait. As many again are accepted from callers below their share
  // (FairQueue).
  WorkerPool(int threads, int max_queue);
  // As Stop.
  ~WorkerPool();

  // `caller` is as Caller::queue. BusyError when the queue has no room for the caller, with an
  // estimate of the time that it takes to empty; Unavailable after Close. On error the job is never
  // called.
  absl::Status Submit(const std::string& caller, Job job);
  // Refuses new jobs and calls those that wait with Unavailable. Does not wait for those that run.
  // Idempotent.
  void Close();
  // Close, then waits for the jobs that run and ends the threads. Idempotent; for one thread at a
  // time.
  void Stop();

 private:
  void Run();

  absl::Mutex mutex_;
  FairQueue<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  DrainEstimate drain_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace s2p

#endif  // S2P_RPC_WORKER_POOL_H_
