// Time for intervals and deadlines, which no change of the system's clock moves.
#ifndef S2P_BASE_STEADY_TIME_H_
#define S2P_BASE_STEADY_TIME_H_

#include <chrono>

#include "absl/time/time.h"

namespace s2p {

// A point on the clock that counts from the start of the machine. Only differences mean anything;
// dates for people are absl::Time. A type of its own, so that the two cannot be mixed. Immutable.
class SteadyTime {
 public:
  // The start of the machine.
  constexpr SteadyTime() = default;
  static SteadyTime Now() {
    return SteadyTime(absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch()));
  }
  static SteadyTime InfiniteFuture() { return SteadyTime(absl::InfiniteDuration()); }
  static SteadyTime InfinitePast() { return SteadyTime(-absl::InfiniteDuration()); }

  SteadyTime& operator+=(absl::Duration duration) {
    since_start_ += duration;
    return *this;
  }
  friend SteadyTime operator+(SteadyTime time, absl::Duration duration) {
    return SteadyTime(time.since_start_ + duration);
  }
  friend SteadyTime operator-(SteadyTime time, absl::Duration duration) {
    return SteadyTime(time.since_start_ - duration);
  }
  friend absl::Duration operator-(SteadyTime end, SteadyTime start) {
    return end.since_start_ - start.since_start_;
  }
  friend bool operator<(SteadyTime a, SteadyTime b) { return a.since_start_ < b.since_start_; }
  friend bool operator<=(SteadyTime a, SteadyTime b) { return a.since_start_ <= b.since_start_; }
  friend bool operator>(SteadyTime a, SteadyTime b) { return b < a; }
  friend bool operator>=(SteadyTime a, SteadyTime b) { return b <= a; }
  friend bool operator==(SteadyTime a, SteadyTime b) { return a.since_start_ == b.since_start_; }
  friend bool operator!=(SteadyTime a, SteadyTime b) { return !(a == b); }

 private:
  explicit SteadyTime(absl::Duration since_start) : since_start_(since_start) {}
  absl::Duration since_start_;
};

}  // namespace s2p

#endif  // S2P_BASE_STEADY_TIME_H_
