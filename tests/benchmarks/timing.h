// Measures durations.
#ifndef S2P_TESTS_BENCHMARKS_TIMING_H_
#define S2P_TESTS_BENCHMARKS_TIMING_H_

#include <time.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace s2p::test {

template <typename Function>
double SecondsOf(const Function& function) {
  const absl::Time begin = absl::Now();
  function();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

// The processor's time that the calling thread takes.
template <typename Function>
double ThreadSecondsOf(const Function& function) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return absl::DurationFromTimespec(time);
  };
  const absl::Duration begin = now();
  function();
  return absl::ToDoubleSeconds(now() - begin);
}

// The median; the upper one of the two middle values of an even number. Requires at least one
// value.
inline double Median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_BENCHMARKS_TIMING_H_
