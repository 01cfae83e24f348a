#include "server/rpc/byte_budget.h"

namespace s2p {

void ByteBudget::WhenRoom(std::function<void()> ready) {
  {
    absl::MutexLock lock(&mutex_);
    if (!waiting_.empty() || taken_bytes_ >= most_bytes_) {
      waiting_.push_back(std::move(ready));
      return;
    }
  }
  ready();
}

ByteBudget::Share ByteBudget::Take(uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  taken_bytes_ += bytes;
  return Share(this, bytes);
}

void ByteBudget::Give(uint64_t bytes) {
  std::deque<std::function<void()>> ready;
  {
    absl::MutexLock lock(&mutex_);
    taken_bytes_ -= bytes;
    if (taken_bytes_ < most_bytes_) ready.swap(waiting_);
  }
  for (const auto& callback : ready) callback();
}

void ByteBudget::Share::Release() {
  if (budget_ != nullptr) std::exchange(budget_, nullptr)->Give(bytes_);
}

}  // namespace s2p
