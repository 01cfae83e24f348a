#include "daemon/retry_after.h"

#include <gtest/gtest.h>

#include "daemon/drain_estimate.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::StatusIs;

TEST(RetryAfterTest, BusyStatusTellsWhenToComeBack) {
  const absl::Status status = BusyError("full", absl::Milliseconds(340));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_EQ(RetryAfter(status), absl::Milliseconds(340));
}

TEST(RetryAfterTest, OtherStatusesTellNothing) {
  EXPECT_EQ(RetryAfter(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(RetryAfter(absl::ResourceExhaustedError("disk full")), std::nullopt);
}

TEST(DrainEstimateTest, IsATenthOfASecondWhileNothingIsKnown) {
  EXPECT_EQ(DrainEstimate().For(1000, 1), absl::Milliseconds(100));
}

TEST(DrainEstimateTest, GrowsWithTheQueueAndShrinksWithTheWorkers) {
  DrainEstimate drain;
  drain.Finished(10, absl::Milliseconds(200));
  EXPECT_EQ(drain.For(5, 1), absl::Milliseconds(100));
  EXPECT_EQ(drain.For(10, 1), absl::Milliseconds(200));
  EXPECT_EQ(drain.For(10, 4), absl::Milliseconds(50));
}

TEST(DrainEstimateTest, FollowsTheSpeedOfTheLastPieces) {
  DrainEstimate drain;
  drain.Finished(1, absl::Milliseconds(1000));
  for (int i = 0; i < 100; ++i) drain.Finished(1, absl::Milliseconds(20));
  EXPECT_LT(drain.For(10, 1), absl::Milliseconds(210));
}

TEST(DrainEstimateTest, StaysWithinItsBounds) {
  DrainEstimate drain;
  drain.Finished(1, absl::Microseconds(1));
  EXPECT_EQ(drain.For(1, 1), absl::Milliseconds(10));
  drain = DrainEstimate();
  drain.Finished(1, absl::Seconds(10));
  EXPECT_EQ(drain.For(100, 1), absl::Seconds(30));
}

TEST(DrainEstimateTest, FittingIsOneWhileNothingIsKnown) {
  EXPECT_EQ(DrainEstimate().Fitting(absl::Hours(1), 8), 1);
  EXPECT_EQ(DrainEstimate().Fitting(absl::Hours(1), 0), 0);
}

TEST(DrainEstimateTest, FittingIsWhatEndsWithinTheTime) {
  DrainEstimate drain;
  drain.Finished(10, absl::Milliseconds(20));
  EXPECT_EQ(drain.Fitting(absl::ZeroDuration(), 8), 0);
  EXPECT_EQ(drain.Fitting(absl::Milliseconds(7), 8), 3);
  EXPECT_EQ(drain.Fitting(absl::Milliseconds(16), 8), 8);
  EXPECT_EQ(drain.Fitting(absl::InfiniteDuration(), 8), 8);
}

}  // namespace
}  // namespace s2p
