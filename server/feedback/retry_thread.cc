#include "server/feedback/retry_thread.h"

#include <utility>

#include "base/steady_time.h"
#include "daemon/thread_priority.h"

namespace s2p {

RetryThread::RetryThread(absl::Duration pause, std::function<void()> work)
    : pause_(pause), work_(std::move(work)), thread_([this] { Run(); }) {}

RetryThread::~RetryThread() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void RetryThread::Wake() {
  {
    absl::MutexLock lock(&mutex_);
    due_ = true;
  }
  changed_.NotifyAll();
}

bool RetryThread::AwaitTurn() {
  absl::MutexLock lock(&mutex_);
  changed_.Until(&mutex_, SteadyTime::InfiniteFuture(),
                 [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return due_ || ending_; });
  const bool ended =
      changed_.Until(&mutex_, SteadyTime::Now() + pause_,
                     [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_; });
  due_ = false;
  return !ended;
}

void RetryThread::Run() {
  LowerThreadPriority();
  while (AwaitTurn()) work_();
}

}  // namespace s2p
