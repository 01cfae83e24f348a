#include "server/feedback/shared_write.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

TEST(SharedWriteTest, EachCallerAloneHasAWriteOfItsOwn) {
  int writes = 0;
  SharedWrite write([&writes] {
    ++writes;
    return absl::OkStatus();
  });
  for (int i = 0; i < 3; ++i) EXPECT_THAT(write.Run(), IsOk());
  EXPECT_EQ(writes, 3);
}

TEST(SharedWriteTest, CallersThatComeDuringAWriteShareTheNextOne) {
  absl::Notification began, go;
  std::atomic<int> writes{0}, changes{0};
  std::atomic<int> seen{-1};
  SharedWrite write([&] {
    seen = changes.load();
    if (++writes == 1) {
      began.Notify();
      go.WaitForNotification();
    }
    return absl::OkStatus();
  });
  constexpr int kLate = 20;
  std::vector<std::thread> callers;
  callers.emplace_back([&] { EXPECT_THAT(write.Run(), IsOk()); });
  began.WaitForNotification();
  for (int i = 0; i < kLate; ++i) {
    callers.emplace_back([&] {
      ++changes;
      EXPECT_THAT(write.Run(), IsOk());
      // A write has begun after the change, and so has seen it.
      EXPECT_EQ(writes, 2);
    });
  }
  // Nothing tells that a thread waits.
  while (write.callers() < kLate + 1) absl::SleepFor(absl::Milliseconds(1));
  go.Notify();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(writes, 2);
  EXPECT_EQ(seen, kLate);
  EXPECT_EQ(write.callers(), 0);
}

TEST(SharedWriteTest, AllWhoShareAWriteGetItsError) {
  absl::Notification began, go;
  std::atomic<int> writes{0}, errors{0};
  SharedWrite write([&] {
    if (++writes > 1) return absl::InternalError("no");
    began.Notify();
    go.WaitForNotification();
    return absl::OkStatus();
  });
  std::thread first([&] { EXPECT_THAT(write.Run(), IsOk()); });
  began.WaitForNotification();
  std::vector<std::thread> late;
  for (int i = 0; i < 5; ++i) late.emplace_back([&] { errors += write.Run().ok() ? 0 : 1; });
  while (write.callers() < 6) absl::SleepFor(absl::Milliseconds(1));
  go.Notify();
  first.join();
  for (std::thread& caller : late) caller.join();
  EXPECT_EQ(errors, 5);
}

}  // namespace
}  // namespace s2p::test
