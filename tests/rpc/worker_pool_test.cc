#include "rpc/worker_pool.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "daemon/retry_after.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

TEST(WorkerPoolTest, JobsThatWaitAreRunAtStop) {
  int runs = 0;
  {
    WorkerPool pool(1, 10);
    for (int i = 0; i < 5; ++i) ASSERT_THAT(pool.Submit([&] { ++runs; }), IsOk());
  }
  EXPECT_EQ(runs, 5);
}

TEST(WorkerPoolTest, FullQueueRefuses) {
  WorkerPool pool(1, 1);
  absl::Notification started, go_on;
  ASSERT_THAT(pool.Submit([&] {
    started.Notify();
    go_on.WaitForNotification();
  }),
              IsOk());
  started.WaitForNotification();
  EXPECT_THAT(pool.Submit([] {}), IsOk());
  const absl::Status busy = pool.Submit([] {});
  EXPECT_THAT(busy, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryAfter(busy), absl::Milliseconds(100));
  go_on.Notify();
}

TEST(WorkerPoolTest, StoppedPoolRefuses) {
  WorkerPool pool(1, 1);
  pool.Stop();
  EXPECT_THAT(pool.Submit([] {}), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace s2p::test
