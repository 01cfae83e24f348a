#include "server/decoder/budget.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/steady_time.h"

namespace s2p {

void Budget::Share::Shrink(int64_t amount) {
  if (budget_ == nullptr || amount >= amount_) return;
  absl::MutexLock lock(&budget_->mutex_);
  budget_->left_ += amount_ - amount;
  budget_->changed_.NotifyAll();
  amount_ = amount;
}

int Budget::waiting() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int>(queue_.size());
}

absl::StatusOr<Budget::Share> Budget::Take(int64_t amount, const CallLife& life) {
  if (amount > total_) {
    return absl::InvalidArgumentError(
        absl::StrCat(amount, " are needed at one time, and there are ", total_));
  }
  absl::MutexLock lock(&mutex_);
  const auto place = queue_.insert(queue_.end(), amount);
  const auto is_due = [this, place, amount]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return place == queue_.begin() && left_ >= amount;
  };
  absl::Status status;
  while (!is_due()) {
    status = life.Check(waits_for_);
    if (!status.ok()) break;
    const SteadyTime look_again =
        life.cancelled ? SteadyTime::Now() + kCancelInterval : SteadyTime::InfiniteFuture();
    changed_.Until(&mutex_, std::min(life.deadline, look_again), is_due);
  }
  queue_.erase(place);
  changed_.NotifyAll();
  if (!status.ok()) return status;
  left_ -= amount;
  return Share(this, amount);
}

}  // namespace s2p
