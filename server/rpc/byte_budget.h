// The bytes of messages that may be in memory at one time.
#ifndef S2P_SERVER_RPC_BYTE_BUDGET_H_
#define S2P_SERVER_RPC_BYTE_BUDGET_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/callers/fair_places.h"

namespace s2p {

// Streams ask it before they read their next message, and take what they have read. One caller
// (Caller::queue) cannot keep the others out: while its messages fill the budget, those who hold
// less than their share of it still read (FairPlaces). The size of a message is known only when it
// has come, so the bytes taken can exceed that by one message of each stream that reads. (A
// reservation of the largest message would let a few clients that send nothing block all others.
// The bytes that are still coming in are limited by ConnectionLimits.) Thread-safe.
class ByteBudget {
 public:
  // Gives the bytes back at its end. Movable.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)),
          caller_(std::move(other.caller_)),
          bytes_(other.bytes_) {}
    Share& operator=(Share&& other) noexcept {
      Release();
      budget_ = std::exchange(other.budget_, nullptr);
      caller_ = std::move(other.caller_);
      bytes_ = other.bytes_;
      return *this;
    }
    ~Share() { Release(); }
    void Release();

   private:
    friend class ByteBudget;
    Share(ByteBudget* budget, std::string caller, int64_t bytes)
        : budget_(budget), caller_(std::move(caller)), bytes_(bytes) {}
    ByteBudget* budget_ = nullptr;
    std::string caller_;
    int64_t bytes_ = 0;
  };

  explicit ByteBudget(uint64_t most_bytes) : bytes_(static_cast<int64_t>(most_bytes)) {}

  // Calls `ready` once: now if there is room for the caller and no other stream of it waits, else
  // from the Release that makes room, in the order of the caller's asking. It must be quick.
  void WhenRoom(const std::string& caller, std::function<void()> ready);
  Share Take(const std::string& caller, uint64_t bytes);

 private:
  void Give(const std::string& caller, int64_t bytes);

  absl::Mutex mutex_;
  FairPlaces bytes_ ABSL_GUARDED_BY(mutex_);
  // By caller; none is empty.
  std::map<std::string, std::deque<std::function<void()>>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_BYTE_BUDGET_H_
