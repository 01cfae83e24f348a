#include "base/steady_time.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/steady_wait.h"

namespace s2p::test {
namespace {

TEST(SteadyTimeTest, DifferencesAreDurations) {
  const SteadyTime start = SteadyTime::Now();
  EXPECT_EQ(start + absl::Seconds(3) - start, absl::Seconds(3));
  EXPECT_LT(start, start + absl::Nanoseconds(1));
  EXPECT_LE(start, SteadyTime::Now());
}

TEST(SteadyTimeTest, InfinityIsLaterThanAnyTime) {
  EXPECT_LT(SteadyTime::Now() + absl::Hours(1000000), SteadyTime::InfiniteFuture());
  EXPECT_EQ(SteadyTime::InfiniteFuture() - SteadyTime::Now(), absl::InfiniteDuration());
  EXPECT_EQ(SteadyTime::Now() + absl::InfiniteDuration(), SteadyTime::InfiniteFuture());
}

class SteadyWaitTest : public testing::Test {
 protected:
  absl::Mutex mutex_;
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  SteadyWait wait_;
};

TEST_F(SteadyWaitTest, EndsWithFalseAtTheDeadline) {
  absl::MutexLock lock(&mutex_);
  EXPECT_FALSE(
      wait_.Until(&mutex_, SteadyTime::Now() + absl::Nanoseconds(1), [] { return false; }));
}

TEST_F(SteadyWaitTest, ConditionThatHoldsNeedsNoTime) {
  absl::MutexLock lock(&mutex_);
  EXPECT_TRUE(wait_.Until(&mutex_, SteadyTime::InfinitePast(), [] { return true; }));
}

TEST_F(SteadyWaitTest, ChangeEndsAnEndlessWait) {
  std::thread changer([this] {
    absl::MutexLock lock(&mutex_);
    changed_ = true;
    wait_.NotifyAll();
  });
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_TRUE(wait_.Until(&mutex_, SteadyTime::InfiniteFuture(),
                            [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changed_; }));
  }
  changer.join();
}

}  // namespace
}  // namespace s2p::test
