#include "server/rpc/byte_budget.h"

#include <iterator>
#include <limits>
#include <vector>

namespace s2p {

void ByteBudget::WhenRoom(const std::string& caller, std::function<void()> ready) {
  {
    absl::MutexLock lock(&mutex_);
    const bool is_next = waiting_.find(caller) == waiting_.end();
    if (!is_next || !bytes_.HasRoom(caller)) {
      waiting_[caller].push_back(std::move(ready));
      return;
    }
  }
  ready();
}

ByteBudget::Share ByteBudget::Take(const std::string& caller, uint64_t bytes) {
  const auto taken = static_cast<int64_t>(bytes);
  absl::MutexLock lock(&mutex_);
  bytes_.Take(caller, taken);
  return Share(this, caller, taken);
}

void ByteBudget::Give(const std::string& caller, int64_t bytes) {
  std::vector<std::function<void()>> ready;
  {
    absl::MutexLock lock(&mutex_);
    bytes_.Give(caller, bytes);
    for (auto line = waiting_.begin(); line != waiting_.end();) {
      if (!bytes_.HasRoom(line->first)) {
        ++line;
        continue;
      }
      std::move(line->second.begin(), line->second.end(), std::back_inserter(ready));
      line = waiting_.erase(line);
    }
  }
  for (const auto& callback : ready) callback();
}

void ByteBudget::Share::Release() {
  if (budget_ != nullptr) std::exchange(budget_, nullptr)->Give(caller_, bytes_);
}

}  // namespace s2p
