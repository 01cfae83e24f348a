#include "rpc/worker_pool.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/retry_after.h"

namespace s2p {

WorkerPool::WorkerPool(int threads, int max_queue) : max_queue_(static_cast<size_t>(max_queue)) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkerPool::~WorkerPool() { Stop(); }

absl::Status WorkerPool::Submit(std::function<void()> job) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return absl::UnavailableError("the server is shutting down");
  if (jobs_.size() >= max_queue_) {
    const int waiting = static_cast<int>(jobs_.size());
    return BusyError(absl::StrCat("the server is busy: ", waiting, " requests wait already"),
                     drain_.For(waiting, static_cast<int>(threads_.size())));
  }
  jobs_.push_back(std::move(job));
  return absl::OkStatus();
}

void WorkerPool::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void WorkerPool::Run() {
  for (;;) {
    std::function<void()> job;
    {
      absl::MutexLock lock(&mutex_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return stopping_ || !jobs_.empty();
      };
      mutex_.Await(absl::Condition(&something));
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    const absl::Time start = absl::Now();
    job();
    absl::MutexLock lock(&mutex_);
    drain_.Finished(1, absl::Now() - start);
  }
}

}  // namespace s2p
