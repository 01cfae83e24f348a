#include "server/feedback/retry_thread.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace s2p::test {
namespace {

TEST(RetryThreadTest, WorkRunsUntilItDoesNotAskForMore) {
  absl::Notification done;
  int runs = 0;
  RetryThread* self = nullptr;
  RetryThread retry(absl::ZeroDuration(), [&] {
    if (++runs < 3) return self->Wake();
    done.Notify();
  });
  self = &retry;
  retry.Wake();
  done.WaitForNotification();
}

TEST(RetryThreadTest, NothingRunsBeforeThePauseIsOverOrUnasked) {
  std::atomic<int> runs{0};
  {
    RetryThread waits(absl::InfiniteDuration(), [&] { ++runs; });
    waits.Wake();
    RetryThread idle(absl::ZeroDuration(), [&] { ++runs; });
    // A thread that starts last and runs gives the others time to run by mistake.
    absl::Notification ran;
    RetryThread last(absl::ZeroDuration(), [&] { ran.Notify(); });
    last.Wake();
    ran.WaitForNotification();
  }
  EXPECT_EQ(runs, 0);
}

TEST(RetryThreadTest, CallDuringTheWorkRunsItOnceMore) {
  absl::Notification began, go, again;
  int runs = 0;
  RetryThread retry(absl::ZeroDuration(), [&] {
    if (++runs == 2) return again.Notify();
    began.Notify();
    go.WaitForNotification();
  });
  retry.Wake();
  began.WaitForNotification();
  retry.Wake();
  go.Notify();
  again.WaitForNotification();
}

}  // namespace
}  // namespace s2p::test
