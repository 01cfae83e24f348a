#include "daemon/worker_pool.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "daemon/retry_after.h"

namespace s2p::testing {
namespace {

TEST(WorkerPoolTest, JobsThatWaitAreRunAtStop) {
  int runs = 0;
  {
    WorkerPool pool(1, 10);
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(pool.Submit([&] { ++runs; }).ok());
  }
  EXPECT_EQ(runs, 5);
}

TEST(WorkerPoolTest, FullQueueRefuses) {
  WorkerPool pool(1, 1);
  absl::Notification started, go_on;
  ASSERT_TRUE(pool.Submit([&] {
                    started.Notify();
                    go_on.WaitForNotification();
                  })
                  .ok());
  started.WaitForNotification();
  EXPECT_TRUE(pool.Submit([] {}).ok());
  const absl::Status busy = pool.Submit([] {});
  EXPECT_EQ(busy.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfter(busy), absl::Milliseconds(100));
  go_on.Notify();
}

TEST(WorkerPoolTest, StoppedPoolRefuses) {
  WorkerPool pool(1, 1);
  pool.Stop();
  EXPECT_EQ(pool.Submit([] {}).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace s2p::testing
