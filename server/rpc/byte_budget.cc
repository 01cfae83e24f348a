#include "server/rpc/byte_budget.h"

#include <iterator>

namespace s2p {

bool ByteBudget::MayRead(const std::string& caller) const {
  if (bytes_.HasRoom(caller)) return true;
  return bytes_.held(caller) == 0 && reads_.find(caller) == reads_.end();
}

void ByteBudget::WakeNext(std::map<std::string, Line>::iterator line, Line* ready) {
  ready->push_back(std::move(line->second.front()));
  line->second.pop_front();
  ++reads_[line->first];
  if (line->second.empty()) waiting_.erase(line);
}

void ByteBudget::WhenRoom(const std::string& caller, std::function<void()> ready) {
  {
    absl::MutexLock lock(&mutex_);
    const bool is_next = waiting_.find(caller) == waiting_.end();
    if (!is_next || !MayRead(caller)) {
      waiting_[caller].push_back(std::move(ready));
      return;
    }
    ++reads_[caller];
  }
  ready();
}

ByteBudget::Share ByteBudget::Take(const std::string& caller, uint64_t bytes) {
  const auto taken = static_cast<int64_t>(bytes);
  Line ready;
  {
    absl::MutexLock lock(&mutex_);
    const auto read = reads_.find(caller);
    if (read != reads_.end() && --read->second == 0) reads_.erase(read);
    bytes_.Take(caller, taken);
    const auto line = waiting_.find(caller);
    if (line != waiting_.end() && MayRead(caller)) WakeNext(line, &ready);
  }
  for (const auto& callback : ready) callback();
  return taken == 0 ? Share() : Share(this, caller, taken);
}

void ByteBudget::Give(const std::string& caller, int64_t bytes) {
  Line ready;
  {
    absl::MutexLock lock(&mutex_);
    bytes_.Give(caller, bytes);
    for (auto line = waiting_.begin(); line != waiting_.end();) {
      const auto next = std::next(line);
      if (MayRead(line->first)) WakeNext(line, &ready);
      line = next;
    }
    // No other Give will come, and a stream that was woken may send nothing.
    while (bytes_.taken() == 0 && !waiting_.empty()) WakeNext(waiting_.begin(), &ready);
  }
  for (const auto& callback : ready) callback();
}

void ByteBudget::Share::Release() {
  if (budget_ != nullptr) std::exchange(budget_, nullptr)->Give(caller_, bytes_);
}

}  // namespace s2p
