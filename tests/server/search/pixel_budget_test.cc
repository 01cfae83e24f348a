#include "server/search/pixel_budget.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"

namespace s2p::test {
namespace {

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
  budget.Take(1'000'000);  // Released immediately.
  const PixelBudget::Share all = budget.Take(100);
  EXPECT_EQ(all.use_count(), 1);
}

}  // namespace
}  // namespace s2p::test
