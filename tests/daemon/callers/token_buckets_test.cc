#include "daemon/callers/token_buckets.h"

#include <gtest/gtest.h>

#include <string>

namespace s2p {
namespace {

using std::chrono::milliseconds;

class TokenBucketsTest : public testing::Test {
 protected:
  // The number of calls that a caller may make now.
  int Available(TokenBuckets& buckets, const std::string& caller = "a") {
    int calls = 0;
    while (calls < 1000 && buckets.Take(caller, now_) == absl::ZeroDuration()) ++calls;
    return calls;
  }
  TokenBuckets::Clock::time_point now_;
};

TEST_F(TokenBucketsTest, NewCallerHasASecondsWorth) {
  TokenBuckets buckets(10, 100);
  EXPECT_EQ(Available(buckets), 10);
}

TEST_F(TokenBucketsTest, TokensComeBackAtTheRate) {
  TokenBuckets buckets(10, 100);
  Available(buckets);
  now_ += milliseconds(350);
  EXPECT_EQ(Available(buckets), 3);
  now_ += std::chrono::hours(1);
  EXPECT_EQ(Available(buckets), 10);
}

TEST_F(TokenBucketsTest, RefusalSaysWhenToComeBack) {
  TokenBuckets buckets(4, 100);
  Available(buckets);
  EXPECT_EQ(buckets.Take("a", now_), absl::Milliseconds(250));
  EXPECT_EQ(buckets.Take("a", now_ + milliseconds(100)), absl::Milliseconds(150));
}

TEST_F(TokenBucketsTest, SlowRateStillAllowsACall) {
  TokenBuckets buckets(0.5, 100);
  EXPECT_EQ(Available(buckets), 1);
  now_ += milliseconds(1999);
  EXPECT_EQ(Available(buckets), 0);
  now_ += milliseconds(1);
  EXPECT_EQ(Available(buckets), 1);
}

TEST_F(TokenBucketsTest, BurstIsWhatABucketHolds) {
  TokenBuckets buckets(0.5, /*burst=*/20, 100);
  EXPECT_EQ(Available(buckets), 20);
  now_ += milliseconds(6000);
  EXPECT_EQ(Available(buckets), 3);
  now_ += std::chrono::hours(1);
  EXPECT_EQ(Available(buckets), 20);
}

TEST_F(TokenBucketsTest, CallersDoNotShare) {
  TokenBuckets buckets(2, 100);
  EXPECT_EQ(Available(buckets, "a"), 2);
  EXPECT_EQ(Available(buckets, "b"), 2);
}

TEST_F(TokenBucketsTest, CallerThatWasSilentForTheLongestIsForgotten) {
  TokenBuckets buckets(1, 2);
  EXPECT_EQ(Available(buckets, "a"), 1);
  EXPECT_EQ(Available(buckets, "b"), 1);
  EXPECT_EQ(Available(buckets, "a"), 0);
  EXPECT_EQ(Available(buckets, "c"), 1);  // In the place of b.
  EXPECT_EQ(Available(buckets, "a"), 0);
  EXPECT_EQ(Available(buckets, "b"), 1);
}

TEST_F(TokenBucketsTest, EarlierTimeTakesNothingBack) {
  TokenBuckets buckets(10, 100);
  now_ += milliseconds(1000);
  EXPECT_EQ(Available(buckets), 10);
  now_ -= milliseconds(500);
  EXPECT_EQ(Available(buckets), 0);
  now_ += milliseconds(600);
  EXPECT_EQ(Available(buckets), 1);
}

}  // namespace
}  // namespace s2p
