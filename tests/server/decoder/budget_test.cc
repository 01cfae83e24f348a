#include "server/decoder/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BudgetTest : public testing::Test {
 protected:
  Budget::Share Take(int64_t amount) {
    auto share = budget_.Take(amount, CallLife());
    EXPECT_THAT(share, IsOk());
    return share.ok() ? *std::move(share) : Budget::Share();
  }
  // Takes `amount` on a thread of its own, notes it, and gives it back. Returns once it waits.
  void TakeLater(int64_t amount) {
    const int before = budget_.waiting();
    threads_.emplace_back([this, amount] {
      auto share = budget_.Take(amount, CallLife());
      absl::MutexLock lock(&mutex_);
      order_.push_back(amount);
    });
    while (budget_.waiting() == before) std::this_thread::yield();
  }
  std::vector<int64_t> OrderWhenAllAreDone() {
    for (std::thread& thread : threads_) thread.join();
    absl::MutexLock lock(&mutex_);
    return order_;
  }

  Budget budget_{100, "there was room"};
  absl::Mutex mutex_;
  std::vector<int64_t> order_;
  std::vector<std::thread> threads_;
};

TEST_F(BudgetTest, CallsAreServedInTheOrderOfTheirArrival) {
  Budget::Share held = Take(100);
  for (const int64_t amount : {91, 92, 93, 94}) TakeLater(amount);
  held.Shrink(0);
  EXPECT_THAT(OrderWhenAllAreDone(), ElementsAre(91, 92, 93, 94));
}

TEST_F(BudgetTest, CallThatWouldFitWaitsForThoseBeforeIt) {
  const Budget::Share held = Take(60);
  CallLife life;
  life.deadline = SteadyTime::InfinitePast();
  absl::Notification may_end;
  std::thread first([&] {
    CallLife cancellable;
    cancellable.cancelled = [&] { return may_end.HasBeenNotified(); };
    EXPECT_THAT(budget_.Take(90, cancellable), StatusIs(absl::StatusCode::kCancelled));
  });
  while (budget_.waiting() == 0) std::this_thread::yield();
  EXPECT_THAT(budget_.Take(10, life), StatusIs(absl::StatusCode::kDeadlineExceeded));
  may_end.Notify();
  first.join();
  // Nobody is before it any more.
  EXPECT_THAT(budget_.Take(10, life), IsOk());
}

TEST_F(BudgetTest, DeadlineEndsTheWait) {
  const Budget::Share held = Take(100);
  CallLife life;
  life.deadline = SteadyTime::Now() + absl::Milliseconds(1);
  EXPECT_THAT(budget_.Take(1, life),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("the deadline passed before there was room")));
  EXPECT_EQ(budget_.waiting(), 0);
}

TEST_F(BudgetTest, CancellationEndsTheWait) {
  const Budget::Share held = Take(100);
  CallLife life;
  int asked = 0;
  life.cancelled = [&asked] { return ++asked == 2; };
  EXPECT_THAT(budget_.Take(1, life),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("cancelled")));
}

TEST_F(BudgetTest, CallThatGaveUpLetsTheNextOnePass) {
  Budget::Share held = Take(50);
  absl::Notification give_up;
  std::thread first([&] {
    CallLife life;
    life.cancelled = [&] { return give_up.HasBeenNotified(); };
    EXPECT_THAT(budget_.Take(90, life), StatusIs(absl::StatusCode::kCancelled));
  });
  while (budget_.waiting() == 0) std::this_thread::yield();
  TakeLater(50);
  give_up.Notify();
  first.join();
  EXPECT_THAT(OrderWhenAllAreDone(), ElementsAre(50));
}

TEST_F(BudgetTest, MoreThanAllIsRefused) {
  EXPECT_THAT(budget_.Take(101, CallLife()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("101 are needed")));
}

TEST_F(BudgetTest, ShrunkShareGivesBackTheRest) {
  Budget::Share share = Take(100);
  share.Shrink(30);
  share.Shrink(50);
  const Budget::Share rest = Take(70);
  EXPECT_EQ(budget_.waiting(), 0);
  CallLife over;
  over.deadline = SteadyTime::InfinitePast();
  EXPECT_THAT(budget_.Take(1, over), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(BudgetTest, MovedShareIsGivenBackOnce) {
  {
    Budget::Share share = Take(60);
    Budget::Share other = std::move(share);
    share = std::move(other);
  }
  Take(100);
}

}  // namespace
}  // namespace s2p::test
