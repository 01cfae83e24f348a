#include "daemon/callers/token_buckets.h"

#include <algorithm>

namespace s2p {

TokenBuckets::TokenBuckets(double rate, size_t most_callers)
    : TokenBuckets(rate, std::max(1.0, rate), most_callers) {}

TokenBuckets::TokenBuckets(double rate, double burst, size_t most_callers)
    : rate_(rate), most_tokens_(burst), most_callers_(most_callers) {}

absl::Duration TokenBuckets::Take(const std::string& caller, Clock::time_point now) {
  absl::MutexLock lock(&mutex_);
  const auto [found, is_new] = by_caller_.emplace(caller, buckets_.end());
  if (is_new) {
    found->second = buckets_.insert(buckets_.begin(), Bucket{caller, most_tokens_, now});
  } else {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
  }
  Bucket& bucket = *found->second;
  if (buckets_.size() > most_callers_) {
    by_caller_.erase(buckets_.back().caller);
    buckets_.pop_back();
  }
  const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
  // Another thread may have come with a later time.
  if (seconds > 0) {
    bucket.tokens = std::min(most_tokens_, bucket.tokens + seconds * rate_);
    bucket.filled = now;
  }
  if (bucket.tokens < 1) return absl::Seconds((1 - bucket.tokens) / rate_);
  bucket.tokens -= 1;
  return absl::ZeroDuration();
}

}  // namespace s2p
