// How often each of many callers may call.
#ifndef S2P_DAEMON_CALLERS_TOKEN_BUCKETS_H_
#define S2P_DAEMON_CALLERS_TOKEN_BUCKETS_H_

#include <chrono>
#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace s2p {

// One token bucket for each caller: it holds what a second brings, at least one token, or as many
// as one may use at once, and each call takes one. Remembers a bounded number of callers; the one
// that has not called for the longest is forgotten, and starts with a full bucket. Thread-safe.
class TokenBuckets {
 public:
  using Clock = std::chrono::steady_clock;

  // `rate`: tokens of a caller in one second, above 0. `most_callers`: that are remembered.
  TokenBuckets(double rate, size_t most_callers);
  // `burst`: tokens that a bucket holds, at least 1.
  TokenBuckets(double rate, double burst, size_t most_callers);

  // Takes one of the caller's tokens and returns 0; or takes none and returns the time until there
  // is one.
  absl::Duration Take(const std::string& caller, Clock::time_point now);

  double rate() const { return rate_; }

 private:
  struct Bucket {
    std::string caller;
    double tokens;
    Clock::time_point filled;
  };

  const double rate_;
  const double most_tokens_;
  const size_t most_callers_;
  absl::Mutex mutex_;
  // The caller that called last is first.
  std::list<Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<std::string, std::list<Bucket>::iterator> by_caller_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_DAEMON_CALLERS_TOKEN_BUCKETS_H_
