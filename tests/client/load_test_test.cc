#include "client/load_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::Pair;

LoadTestOptions Short(int concurrency, double rate = 0) {
  LoadTestOptions options;
  options.concurrency = concurrency;
  options.rate = rate;
  options.duration = absl::Milliseconds(100);
  return options;
}

TEST(LoadTestTest, EveryCallIsCountedByItsCode) {
  std::atomic<int64_t> calls{0};
  const LoadTestResult result = RunLoadTest(Short(4), [&](int64_t number) {
    ++calls;
    return number == 0 ? absl::UnavailableError("") : absl::OkStatus();
  });
  EXPECT_EQ(result.requests, calls);
  EXPECT_EQ(result.errors, 1);
  EXPECT_THAT(result.codes, ElementsAre(Pair("OK", calls - 1), Pair("UNAVAILABLE", 1)));
}

TEST(LoadTestTest, OpenLoopStartsAsManyAsAreDue) {
  const LoadTestResult result =
      RunLoadTest(Short(1, /*rate=*/200), [](int64_t) { return absl::OkStatus(); });
  EXPECT_EQ(result.requests, 20);
}

TEST(LoadTestTest, PercentilesAreOrderedAndFailuresHaveNone) {
  const LoadTestResult good = RunLoadTest(Short(2), [](int64_t) { return absl::OkStatus(); });
  EXPECT_LE(good.p50, good.p95);
  EXPECT_LE(good.p95, good.p99);
  const LoadTestResult bad = RunLoadTest(Short(2), [](int64_t) { return absl::InternalError(""); });
  EXPECT_EQ(bad.p99, absl::ZeroDuration());
  EXPECT_EQ(bad.errors, bad.requests);
}

TEST(LoadTestTest, HistogramHoldsEveryCallThatSucceeded) {
  const LoadTestResult result = RunLoadTest(Short(3), [](int64_t number) {
    return number % 5 == 0 ? absl::InternalError("") : absl::OkStatus();
  });
  int64_t calls = 0;
  absl::Duration before;
  for (const LatencyBucket& bucket : result.histogram) {
    EXPECT_GT(bucket.at_most, before);
    before = bucket.at_most;
    calls += bucket.count;
  }
  EXPECT_EQ(calls, result.requests - result.errors);
  EXPECT_GE(before, result.p99);
}

}  // namespace
}  // namespace s2p
