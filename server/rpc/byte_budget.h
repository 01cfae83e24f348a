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
// less than their share of it still read (FairPlaces), and a caller that holds nothing has one
// stream that reads, whatever the others hold. The size of a message is known only when it has
// come, so the bytes taken can exceed that by one message of each stream that reads; streams that
// waited are woken one by one, so that they do not all do this. (A reservation of the largest
// message would let a few clients that send nothing block all others. The bytes that are still
// coming in are limited by ConnectionLimits.) Thread-safe.
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

  // Calls `ready` once: now if the caller may read and no other stream of it waits, else from a
  // Release or a Take, in the order of the caller's asking. It must be quick. Each stream that was
  // called takes once.
  void WhenRoom(const std::string& caller, std::function<void()> ready);
  // 0 bytes if the stream has ended.
  Share Take(const std::string& caller, uint64_t bytes);

 private:
  using Line = std::deque<std::function<void()>>;

  bool MayRead(const std::string& caller) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves the first of a line to the end of `ready`, to be called outside the mutex.
  void WakeNext(std::map<std::string, Line>::iterator line, Line* ready)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes at most one stream of each caller, or all if nothing is taken any more.
  void Give(const std::string& caller, int64_t bytes);

  absl::Mutex mutex_;
  FairPlaces bytes_ ABSL_GUARDED_BY(mutex_);
  // Streams that were called and have not taken yet, by caller; none is 0.
  std::map<std::string, int> reads_ ABSL_GUARDED_BY(mutex_);
  // By caller; none is empty.
  std::map<std::string, Line> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_BYTE_BUDGET_H_
