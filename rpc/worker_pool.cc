#include "rpc/worker_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/steady_time.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

absl::Status ShuttingDown() { return absl::UnavailableError("the server is shutting down"); }

}  // namespace

WorkerPool::WorkerPool(int threads, int max_queue) : jobs_(max_queue) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkerPool::~WorkerPool() { Stop(); }

absl::Status WorkerPool::Submit(const std::string& caller, Job job) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return ShuttingDown();
  if (!jobs_.HasRoom(caller)) {
    const int waiting = jobs_.taken();
    return BusyError(absl::StrCat("the server is busy: ", waiting, " requests wait already"),
                     drain_.For(waiting, static_cast<int>(threads_.size())));
  }
  jobs_.Push(caller, std::move(job));
  return absl::OkStatus();
}

void WorkerPool::Close() {
  std::vector<Job> dropped;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    while (!jobs_.empty()) dropped.push_back(jobs_.Pop());
  }
  for (const Job& job : dropped) job(ShuttingDown());
}

void WorkerPool::Stop() {
  Close();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::Run() {
  for (;;) {
    Job job;
    {
      absl::MutexLock lock(&mutex_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return closed_ || !jobs_.empty();
      };
      mutex_.Await(absl::Condition(&something));
      if (jobs_.empty()) return;
      job = jobs_.Pop();
    }
    const SteadyTime start = SteadyTime::Now();
    job(absl::OkStatus());
    absl::MutexLock lock(&mutex_);
    drain_.Finished(1, SteadyTime::Now() - start);
  }
}

}  // namespace s2p
