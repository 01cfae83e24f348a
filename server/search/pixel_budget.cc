#include "server/search/pixel_budget.h"

#include <algorithm>

namespace s2p {

PixelBudget::Share PixelBudget::Take(int64_t pixels) {
  const int64_t share = std::min(pixels, total_);
  absl::MutexLock lock(&mutex_);
  const auto is_free = [this, share]()
                           ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return left_ >= share; };
  mutex_.Await(absl::Condition(&is_free));
  left_ -= share;
  return Share(nullptr, [this, share](void*) {
    absl::MutexLock return_lock(&mutex_);
    left_ += share;
  });
}

}  // namespace s2p
