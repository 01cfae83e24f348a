// Calls a function repeatedly from many threads and measures how long it takes.
#ifndef S2P_CLIENT_LOAD_TEST_H_
#define S2P_CLIENT_LOAD_TEST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace s2p {

struct LoadTestOptions {
  // Closed loop: the number of callers, each of which calls again when it has its answer.
  int concurrency = 1;
  // Open loop: the number of calls started per second, whether or not earlier ones have ended, as
  // long as no more than kMaxInFlight are in flight. 0 means closed loop.
  double rate = 0;
  absl::Duration duration = absl::Seconds(10);
};

// The number of calls that took at most `at_most`, and longer than the previous bucket's.
struct LatencyBucket {
  absl::Duration at_most;
  int64_t count = 0;
};

struct LoadTestResult {
  int64_t requests = 0;
  int64_t errors = 0;
  // From the start of the first call to the end of the last.
  absl::Duration elapsed;
  // Latencies of the calls that succeeded. In the open loop a call's time starts when it was due,
  // so that the calls that a slow answer delays do not hide it ("coordinated omission", G. Tene).
  absl::Duration p50, p95, p99;
  // Histogram of the same latencies, from the first non-empty bucket to the last. Bounds are 1, 2
  // and 5 times powers of ten, from 0.1 ms on.
  std::vector<LatencyBucket> histogram;
  // Number of calls by the name of their status code, including "OK".
  std::map<std::string, int64_t> codes;

  // Answers per second, of any status.
  double queries_per_second() const;
};

inline constexpr int kMaxInFlight = 256;

// `call` gets the call's number, from 0; it is called by several threads at once.
LoadTestResult RunLoadTest(const LoadTestOptions& options,
                           const std::function<absl::Status(int64_t)>& call);

}  // namespace s2p

#endif  // S2P_CLIENT_LOAD_TEST_H_
