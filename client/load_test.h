// Calls something over and over, from many threads, and measures how long it takes.
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
  // Closed loop: so many callers, each of which calls again when it has its answer.
  int concurrency = 1;
  // Open loop: so many calls a second are begun, whether earlier ones have ended or not, as long as
  // no more than kMaxInFlight are under way. 0: closed loop.
  double rate = 0;
  absl::Duration duration = absl::Seconds(10);
};

// How many calls took at most so long, and longer than the bucket before.
struct LatencyBucket {
  absl::Duration at_most;
  int64_t count = 0;
};

struct LoadTestResult {
  int64_t requests = 0;
  int64_t errors = 0;
  // From the first call's begin to the last one's end.
  absl::Duration elapsed;
  // Of the calls that succeeded. In the open loop a call's time begins when it was due, so that a
  // slow answer is not hidden by the calls that it delayed ("coordinated omission", G. Tene).
  absl::Duration p50, p95, p99;
  // Of the same calls, from the first bucket that holds any to the last: 1, 2 and 5 times powers of
  // ten, from 0.1 ms on.
  std::vector<LatencyBucket> histogram;
  // Calls by the name of their status code, "OK" among them.
  std::map<std::string, int64_t> codes;

  // Answers of any kind a second.
  double queries_per_second() const;
};

inline constexpr int kMaxInFlight = 256;

// `call` gets the call's number, from 0; it is called by several threads at once.
LoadTestResult RunLoadTest(const LoadTestOptions& options,
                           const std::function<absl::Status(int64_t)>& call);

}  // namespace s2p

#endif  // S2P_CLIENT_LOAD_TEST_H_
