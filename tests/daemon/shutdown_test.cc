#include "daemon/shutdown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Shutdown> MustInstall() {
  absl::StatusOr<std::unique_ptr<Shutdown>> shutdown = Shutdown::Install();
  EXPECT_THAT(shutdown, IsOk());
  return *std::move(shutdown);
}

TEST(ShutdownTest, NothingIsRequestedAtFirst) {
  auto shutdown = MustInstall();
  EXPECT_FALSE(shutdown->requested());
}

TEST(ShutdownTest, SigtermWakesTheWaiter) {
  auto shutdown = MustInstall();
  raise(SIGTERM);
  shutdown->Wait();
  EXPECT_TRUE(shutdown->requested());
}

TEST(ShutdownTest, SigintWakesTheWaiter) {
  auto shutdown = MustInstall();
  raise(SIGINT);
  shutdown->Wait();
  EXPECT_TRUE(shutdown->requested());
}

TEST(ShutdownTest, ProgramCanRequestIt) {
  auto shutdown = MustInstall();
  shutdown->Request();
  shutdown->Request();
  shutdown->Wait();
  EXPECT_TRUE(shutdown->requested());
}

TEST(ShutdownTest, CallbacksRunInOrderAfterTheSignal) {
  auto shutdown = MustInstall();
  std::vector<int> order;
  std::promise<void> done;
  shutdown->OnRequest([&] { order.push_back(1); });
  shutdown->OnRequest([&] {
    order.push_back(2);
    done.set_value();
  });
  raise(SIGTERM);
  done.get_future().wait();
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(ShutdownTest, LateCallbackRunsToo) {
  auto shutdown = MustInstall();
  shutdown->Request();
  shutdown->Wait();
  absl::Notification done;
  shutdown->OnRequest([&] { done.Notify(); });
  done.WaitForNotification();
}

TEST(ShutdownTest, CallbackDoesNotRunWithoutRequest) {
  bool called = false;
  {
    auto shutdown = MustInstall();
    shutdown->OnRequest([&] { called = true; });
  }
  EXPECT_FALSE(called);
}

TEST(ShutdownTest, SecondOneInTheProcessIsRefused) {
  auto shutdown = MustInstall();
  absl::Status status = Shutdown::Install().status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another Shutdown")));
}

TEST(ShutdownTest, DestroyingRestoresTheFormerHandlers) {
  struct sigaction before = {};
  sigaction(SIGTERM, nullptr, &before);
  MustInstall().reset();
  struct sigaction after = {};
  sigaction(SIGTERM, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(ShutdownTest, AnotherOneCanFollow) {
  MustInstall()->Request();
  EXPECT_FALSE(MustInstall()->requested());
}

TEST(ShutdownTest, SecondSignalEndsTheLameDuckAndNotTheProcess) {
  auto shutdown = MustInstall();
  raise(SIGTERM);
  bool began = false;
  shutdown->WaitWithLameDuck(absl::InfiniteDuration(), [&began] {
    began = true;
    raise(SIGINT);
  });
  EXPECT_TRUE(began);
}

TEST(ShutdownTest, SignalEndsTheLameDuckThatTheProgramRequested) {
  auto shutdown = MustInstall();
  shutdown->Request();
  shutdown->WaitWithLameDuck(absl::InfiniteDuration(), [] { raise(SIGTERM); });
}

TEST(ShutdownDeathTest, ThirdSignalEndsTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        auto shutdown = MustInstall();
        raise(SIGTERM);
        shutdown->WaitWithLameDuck(absl::InfiniteDuration(), [] { raise(SIGTERM); });
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(ShutdownDeathTest, SecondSignalEndsTheProcessDuringADrain) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        auto shutdown = MustInstall();
        absl::Notification draining;
        absl::Notification never;
        shutdown->OnRequest([&] {
          draining.Notify();
          never.WaitForNotification();
        });
        raise(SIGTERM);
        draining.WaitForNotification();
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace s2p
