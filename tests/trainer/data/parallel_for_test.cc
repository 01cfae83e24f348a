#include "trainer/data/parallel_for.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

TEST(ParallelForTest, EveryIndexIsVisitedOnce) {
  for (const int threads : {0, 1, 5}) {
    std::vector<std::atomic<int>> visits(100);
    ASSERT_THAT(ParallelFor(100, threads,
                            [&](int64_t i) {
                              ++visits[static_cast<size_t>(i)];
                              return absl::OkStatus();
                            }),
                IsOk());
    for (const auto& count : visits) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelForTest, LowestFailureIsReturnedWhateverTheThreads) {
  for (const int threads : {1, 4}) {
    const absl::Status status = ParallelFor(50, threads, [](int64_t i) {
      return i % 10 == 7 ? absl::DataLossError(absl::StrCat("number ", i)) : absl::OkStatus();
    });
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("number 7")));
  }
}

TEST(ParallelForTest, ExceptionIsAFailureAndEndsNoThread) {
  for (const int threads : {1, 4}) {
    const auto memory = [](int64_t i) -> absl::Status {
      if (i == 3) throw std::bad_alloc();
      return absl::OkStatus();
    };
    EXPECT_THAT(ParallelFor(20, threads, memory),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not enough memory")));
    const auto other = [](int64_t) -> absl::Status { throw std::runtime_error("out of luck"); };
    EXPECT_THAT(ParallelFor(20, threads, other),
                StatusIs(absl::StatusCode::kInternal, HasSubstr("out of luck")));
  }
}

TEST(ParallelForTest, NothingIsStartedOnceItIsStopped) {
  for (const int threads : {1, 4}) {
    std::atomic<int> started{0};
    const absl::Status status = ParallelFor(
        1000, threads,
        [&](int64_t) {
          ++started;
          return absl::OkStatus();
        },
        {}, [&] { return started >= 5; });
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
    EXPECT_LT(started, 5 + threads);
  }
}

TEST(ParallelForTest, StopAfterTheLastChangesNothing) {
  int64_t done = 0;
  const absl::Status status = ParallelFor(
      3, 1, [](int64_t) { return absl::OkStatus(); }, [&](int64_t now, int64_t) { done = now; },
      [&] { return done == 3; });
  EXPECT_THAT(status, IsOk());
}

}  // namespace
}  // namespace s2p::test
