#include "server/worker_pool.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"

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
  EXPECT_EQ(pool.Submit([] {}).code(), absl::StatusCode::kResourceExhausted);
  go_on.Notify();
}

TEST(WorkerPoolTest, StoppedPoolRefuses) {
  WorkerPool pool(1, 1);
  pool.Stop();
  EXPECT_EQ(pool.Submit([] {}).code(), absl::StatusCode::kUnavailable);
}

TEST(PixelBudgetTest, TakerWaitsUntilEnoughIsGivenBack) {
  PixelBudget budget(100);
  PixelBudget::Share first = budget.Take(60);
  absl::Notification taken;
  std::thread taker([&] {
    const PixelBudget::Share second = budget.Take(60);
    taken.Notify();
  });
  EXPECT_FALSE(taken.HasBeenNotified());
  first.reset();
  taken.WaitForNotification();
  taker.join();
}

TEST(PixelBudgetTest, MoreThanAllIsAll) {
  PixelBudget budget(100);
  budget.Take(1'000'000);  // Given back at once.
  const PixelBudget::Share all = budget.Take(100);
  EXPECT_EQ(all.use_count(), 1);
}

}  // namespace
}  // namespace s2p::testing
