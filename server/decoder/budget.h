// An amount that calls share, first come first served.
#ifndef S2P_SERVER_DECODER_BUDGET_H_
#define S2P_SERVER_DECODER_BUDGET_H_

#include <cstdint>
#include <list>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/steady_wait.h"
#include "server/decoder/call_life.h"

namespace s2p {

// Bytes of memory, or places. A call that needs much waits only for those before it: none that came
// later and needs less overtakes it. Thread-safe.
class Budget {
 public:
  // Part of the budget, given back when it dies. Thread-compatible; the budget must outlive it.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), amount_(other.amount_) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(amount_, other.amount_);
      return *this;
    }
    ~Share() { Shrink(0); }

    // Gives back all but `amount`. Does nothing if no more than that is left.
    void Shrink(int64_t amount);

   private:
    friend class Budget;
    Share(Budget* budget, int64_t amount) : budget_(budget), amount_(amount) {}

    Budget* budget_ = nullptr;
    int64_t amount_ = 0;
  };

  // `waits_for` ends the message of a call whose time is over, such as "memory to decode its images
  // was free".
  Budget(int64_t total, std::string waits_for) : waits_for_(std::move(waits_for)), total_(total) {
    left_ = total;
  }

  int64_t total() const { return total_; }
  // Calls that wait now.
  int waiting() const;

  // Blocks until all calls before this one have got their share and `amount` is free.
  // InvalidArgument if `amount` is more than the total; Cancelled or DeadlineExceeded, at once, as
  // `life` says.
  absl::StatusOr<Share> Take(int64_t amount, const CallLife& life);

 private:
  const std::string waits_for_;
  const int64_t total_;

  mutable absl::Mutex mutex_;
  SteadyWait changed_;
  int64_t left_ ABSL_GUARDED_BY(mutex_);
  // The amounts of the calls that wait, in the order of their arrival.
  std::list<int64_t> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_SERVER_DECODER_BUDGET_H_
