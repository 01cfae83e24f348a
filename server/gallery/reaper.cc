#include "server/gallery/reaper.h"

namespace s2p {

void Reaper::Queue::Take(std::shared_ptr<const void> object) {
  // If the thread has ended, `object` dies at the end of the call, after the lock.
  absl::MutexLock lock(&mutex_);
  if (ended_) return;
  waiting_.push_back(std::move(object));
  if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
}

void Reaper::Queue::Work() {
  for (;;) {
    // Dies at the end of the round, after the lock: the objects may own guarded pointers.
    std::vector<std::shared_ptr<const void>> retired;
    absl::MutexLock lock(&mutex_);
    const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || !waiting_.empty();
    };
    mutex_.Await(absl::Condition(&something));
    if (waiting_.empty()) {
      ended_ = true;
      return;
    }
    retired.swap(waiting_);
  }
}

void Reaper::Queue::Stop() {
  bool started = false;
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    started = thread_.joinable();
    if (!started) ended_ = true;
  }
  if (started) thread_.join();
}

}  // namespace s2p
