// The bytes of messages that may be in memory at one time.
#ifndef S2P_SERVER_RPC_BYTE_BUDGET_H_
#define S2P_SERVER_RPC_BYTE_BUDGET_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s2p {

// Streams ask it before they read their next message, in the order of their asking, and take what
// they have read. The size of a message is known only when it has come, so the bytes taken can
// exceed the budget by one message of each stream that reads. (A reservation of the largest message
// would let a few clients that send nothing block all others. The bytes that are still coming in
// are limited by ConnectionLimits.) Thread-safe.
class ByteBudget {
 public:
  // Gives the bytes back at its end. Movable.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(other.bytes_) {}
    Share& operator=(Share&& other) noexcept {
      Release();
      budget_ = std::exchange(other.budget_, nullptr);
      bytes_ = other.bytes_;
      return *this;
    }
    ~Share() { Release(); }
    void Release();

   private:
    friend class ByteBudget;
    Share(ByteBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    ByteBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  explicit ByteBudget(uint64_t most_bytes) : most_bytes_(most_bytes) {}

  // Calls `ready` once: now if less than the budget is taken and nobody waits, else from the
  // Release that makes room. It must be quick.
  void WhenRoom(std::function<void()> ready);
  Share Take(uint64_t bytes);

 private:
  void Give(uint64_t bytes);

  const uint64_t most_bytes_;
  absl::Mutex mutex_;
  uint64_t taken_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_BYTE_BUDGET_H_
