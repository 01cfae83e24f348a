#include "rpc/worker_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "daemon/retry_after.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

TEST(WorkerPoolTest, JobsThatWaitAreToldThatTheServerShutsDown) {
  WorkerPool pool(1, 10);
  absl::Notification started, resume;
  absl::Status running = absl::UnknownError("not called"), waiting = running;
  ASSERT_THAT(pool.Submit("a",
                          [&](const absl::Status& turn) {
                            started.Notify();
                            resume.WaitForNotification();
                            running = turn;
                          }),
              IsOk());
  started.WaitForNotification();
  ASSERT_THAT(pool.Submit("a", [&](const absl::Status& turn) { waiting = turn; }), IsOk());
  // Does not wait for the first job.
  pool.Close();
  EXPECT_THAT(waiting, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting down")));
  resume.Notify();
  pool.Stop();
  EXPECT_THAT(running, IsOk());
}

TEST(WorkerPoolTest, FullQueueRefuses) {
  WorkerPool pool(1, 1);
  absl::Notification started, resume;
  ASSERT_THAT(pool.Submit("a",
                          [&](const absl::Status&) {
                            started.Notify();
                            resume.WaitForNotification();
                          }),
              IsOk());
  started.WaitForNotification();
  EXPECT_THAT(pool.Submit("a", [](const absl::Status&) {}), IsOk());
  const absl::Status busy = pool.Submit("a", [](const absl::Status&) {});
  EXPECT_THAT(busy, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryAfter(busy), absl::Milliseconds(100));
  resume.Notify();
}

TEST(WorkerPoolTest, CallerIsServedBeforeTheBacklogOfAnotherEnds) {
  absl::Notification started, resume, pool_is_empty;
  std::string order;
  {
    WorkerPool pool(1, 10);
    ASSERT_THAT(pool.Submit("flood",
                            [&](const absl::Status&) {
                              started.Notify();
                              resume.WaitForNotification();
                            }),
                IsOk());
    started.WaitForNotification();
    const auto log = [&](char name) {
      return [&order, &pool_is_empty, name](const absl::Status& turn) {
        EXPECT_THAT(turn, IsOk());
        order += name;
        if (order.size() == 11) pool_is_empty.Notify();
      };
    };
    while (pool.Submit("flood", log('f')).ok()) {
    }
    ASSERT_THAT(pool.Submit("other", log('o')), IsOk());
    resume.Notify();
    pool_is_empty.WaitForNotification();
  }
  EXPECT_EQ(order, "fofffffffff");
}

TEST(WorkerPoolTest, StoppedPoolRefuses) {
  WorkerPool pool(1, 1);
  pool.Stop();
  EXPECT_THAT(pool.Submit("a", [](const absl::Status&) {}),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace s2p::test
