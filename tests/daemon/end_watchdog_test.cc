#include "daemon/end_watchdog.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "absl/synchronization/notification.h"
#include "daemon/daemon_options.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

// Death tests start their process again, so that it has no threads but its own.
class EndWatchdogDeathTest : public testing::Test {
 protected:
  EndWatchdogDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(EndWatchdogDeathTest, ProcessThatDoesNotEndInTimeIsEnded) {
  EXPECT_EXIT(
      {
        const EndWatchdog watchdog(absl::ZeroDuration());
        absl::Notification().WaitForNotification();
      },
      testing::ExitedWithCode(kOverrunExit), "did not end in time");
}

TEST_F(EndWatchdogDeathTest, DrainThatNeverReturnsIsCutOff) {
  EXPECT_EXIT(
      {
        auto shutdown = *Shutdown::Install();
        shutdown->Request();
        DaemonOptions options;
        options.drain = options.overrun = absl::ZeroDuration();
        ServeUntilShutdown(
            options, "a", "b", *shutdown,
            {nullptr, [](absl::Duration) { absl::Notification().WaitForNotification(); }})
            .IgnoreError();
      },
      testing::ExitedWithCode(kOverrunExit), "did not end in time");
}

TEST_F(EndWatchdogDeathTest, DrainAfterAShortenedLameDuckIsCutOffToo) {
  EXPECT_EXIT(
      {
        auto shutdown = *Shutdown::Install();
        raise(SIGTERM);
        DaemonOptions options;
        options.lame_duck = absl::InfiniteDuration();
        options.drain = options.overrun = absl::ZeroDuration();
        ServeUntilShutdown(options, "a", "b", *shutdown,
                           {[] { raise(SIGTERM); },
                            [](absl::Duration) { absl::Notification().WaitForNotification(); }})
            .IgnoreError();
      },
      testing::ExitedWithCode(kOverrunExit), "did not end in time");
}

TEST(EndWatchdogTest, ProcessThatEndsInTimeIsLeftAlone) {
  const EndWatchdog watchdog(absl::InfiniteDuration());
}

class LameDuckTest : public testing::Test {
 protected:
  // The steps of an end, in their order.
  std::string Steps(absl::Duration lame_duck) {
    auto shutdown = *Shutdown::Install();
    shutdown->Request();
    DaemonOptions options;
    options.lame_duck = lame_duck;
    std::string steps;
    EXPECT_THAT(ServeUntilShutdown(options, "a", "b", *shutdown,
                                   {[&] { steps += "stop serving, "; },
                                    [&](absl::Duration drain) {
                                      EXPECT_EQ(drain, absl::Seconds(30));
                                      steps += "shut down";
                                    }}),
                IsOk());
    return steps;
  }
};

TEST_F(LameDuckTest, WithoutOneCallsEndAtOnce) {
  EXPECT_EQ(Steps(absl::ZeroDuration()), "shut down");
}

TEST_F(LameDuckTest, ServingStopsBeforeCallsEnd) {
  EXPECT_EQ(Steps(absl::Nanoseconds(1)), "stop serving, shut down");
}

}  // namespace
}  // namespace s2p::test
