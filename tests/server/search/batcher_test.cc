#include "server/search/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "daemon/retry_after.h"
#include "tests/server/search/batcher_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

TEST_F(BatcherTest, RequestsShareABatchAndGetTheirOwnRows) {
  Serve(1);
  Start(Patient(3));
  Answer one, two;
  ASSERT_THAT(Submit(one, 1), IsOk());
  ASSERT_THAT(Submit(two, 2), IsOk());
  one.done.WaitForNotification();
  two.done.WaitForNotification();
  EXPECT_THAT(sizes(), ElementsAre(3));
  ASSERT_TRUE(one.result.ok() && two.result.ok());
  EXPECT_EQ(one.result->encoding.embeddings.rows(), 1);
  EXPECT_EQ(two.result->encoding.embeddings.rows(), 2);
  const Encoding alone = EncodeImage(FakeEncoder(1), PhotoImage(801));
  EXPECT_THAT(two.result->encoding.embeddings.row(1),
              testing::ElementsAreArray(alone.embeddings.row(0)));
}

TEST_F(BatcherTest, WithoutDelayNothingWaits) {
  Serve(1);
  BatcherOptions options;
  options.max_delay = absl::ZeroDuration();
  Start(options);
  Answer answer;
  ASSERT_THAT(Submit(answer), IsOk());
  answer.done.WaitForNotification();
  EXPECT_THAT(answer.result, IsOk());
}

TEST_F(BatcherTest, FullQueueRefusesAndNeverAnswers) {
  Serve(1);
  BatcherOptions options = Patient(8);
  options.max_queue = 2;
  Start(options);
  Answer one, two, refused;
  ASSERT_THAT(Submit(one), IsOk());
  ASSERT_THAT(Submit(two), IsOk());
  const absl::Status status = Submit(refused);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               testing::HasSubstr("2 images are waiting")));
  EXPECT_TRUE(RetryAfter(status).has_value());
  batcher_->Stop();
  EXPECT_THAT(one.result, IsOk());
  EXPECT_FALSE(refused.done.HasBeenNotified());
}

TEST_F(BatcherTest, RoomIsToldBeforeARequestIsSubmitted) {
  Serve(1);
  BatcherOptions options = Patient(8);
  options.max_queue = 2;
  Start(options);
  Answer one, other;
  BatchRequest request = Request(other, 2);
  EXPECT_THAT(batcher_->CheckRoom(request), IsOk());
  ASSERT_THAT(Submit(one), IsOk());
  const absl::Status full = batcher_->CheckRoom(request);
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted,
                             testing::HasSubstr("1 images are waiting")));
  EXPECT_TRUE(RetryAfter(full).has_value());
  // Their senders limit them.
  request.priority = Priority::kBackground;
  EXPECT_THAT(batcher_->CheckRoom(request), IsOk());
  batcher_->Stop();
  EXPECT_THAT(batcher_->CheckRoom(request), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(BatcherTest, LiveRequestsGoFirst) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_batch = 1;
  options.max_delay = absl::ZeroDuration();
  Start(options);
  Answer first, background, live;
  ASSERT_THAT(Submit(first), IsOk());
  holding_.WaitForNotification();
  ASSERT_THAT(Submit(background, 1, Priority::kBackground), IsOk());
  BatchRequest request = Request(live, 1);
  bool live_was_first = false;
  request.done = [&](const absl::StatusOr<BatchResult>&) {
    live_was_first = !background.done.HasBeenNotified();
    live.done.Notify();
  };
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  go_on_.Notify();
  live.done.WaitForNotification();
  background.done.WaitForNotification();
  EXPECT_TRUE(live_was_first);
}

TEST_F(BatcherTest, AddThatHasWaitedForLongGoesBeforeSearches) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_batch = 2;
  options.max_delay = absl::ZeroDuration();
  options.max_background_wait = absl::ZeroDuration();
  Start(options);
  Answer first, background, live, later;
  ASSERT_THAT(Submit(first), IsOk());
  holding_.WaitForNotification();
  std::vector<std::string> order;
  const auto submit = [&](const char* name, Answer& answer, Priority priority) {
    BatchRequest request = Request(answer, 1);
    request.priority = priority;
    // All on the thread that answers.
    request.done = [&order, &answer, name](absl::StatusOr<BatchResult> result) {
      order.push_back(name);
      answer.result = std::move(result);
      answer.done.Notify();
    };
    ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  };
  submit("live", live, Priority::kLive);
  submit("later", later, Priority::kLive);
  submit("background", background, Priority::kBackground);
  go_on_.Notify();
  batcher_->Stop();
  EXPECT_THAT(order, ElementsAre("background", "live", "later"));
}

TEST_F(BatcherTest, CallerIsServedBeforeTheBacklogOfAnotherEnds) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_batch = 1;
  options.max_delay = absl::ZeroDuration();
  options.max_queue = 8;
  Start(options);
  Answer first;
  ASSERT_THAT(Submit(first), IsOk());
  holding_.WaitForNotification();
  // All on the thread that answers.
  std::string order;
  std::deque<Answer> answers;
  const auto submit = [&](const std::string& caller) {
    BatchRequest request = Request(answers.emplace_back(), 1);
    request.caller = caller;
    request.done = [&order, caller](const absl::StatusOr<BatchResult>&) { order += caller; };
    return batcher_->Submit(std::move(request));
  };
  int flood = 0;
  while (submit("f").ok()) ++flood;
  EXPECT_EQ(flood, 8);
  EXPECT_THAT(submit("o"), IsOk());
  go_on_.Notify();
  batcher_->Stop();
  EXPECT_EQ(order, "fofffffff");
}

TEST_F(BatcherTest, LateRequestCostsNoCompute) {
  Serve(1);
  Start(Patient());
  Answer answer;
  BatchRequest request = Request(answer, 1);
  request.deadline = SteadyTime::InfinitePast();
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  batcher_->Stop();
  EXPECT_THAT(answer.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(sizes(), ElementsAre());
}

TEST_F(BatcherTest, CancelledRequestCostsNoComputeAndOthersGoOn) {
  Serve(1);
  Start(Patient());
  Answer cancelled, other;
  BatchRequest request = Request(cancelled, 1);
  request.cancelled = [] { return true; };
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  ASSERT_THAT(Submit(other), IsOk());
  batcher_->Stop();
  EXPECT_THAT(cancelled.result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(other.result, IsOk());
  EXPECT_THAT(sizes(), ElementsAre(1));
}

TEST_F(BatcherTest, OneBadImageFailsItsOwnRequestAlone) {
  Serve(1);
  Start(Patient());
  Answer bad, good;
  ASSERT_THAT(batcher_->Submit(Request(bad, 1, kBadWidth)), IsOk());
  ASSERT_THAT(Submit(good), IsOk());
  batcher_->Stop();
  EXPECT_THAT(bad.result, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(good.result, IsOk());
}

TEST_F(BatcherTest, ABatchKeepsTheSnapshotItBeganWith) {
  Serve(1);
  hold_ = true;
  BatcherOptions options;
  options.max_delay = absl::ZeroDuration();
  Start(options);
  Answer before, after;
  ASSERT_THAT(Submit(before), IsOk());
  holding_.WaitForNotification();
  Serve(2);
  ASSERT_THAT(Submit(after), IsOk());
  go_on_.Notify();
  after.done.WaitForNotification();
  before.done.WaitForNotification();
  EXPECT_EQ(before.result->snapshot->version, 1);
  EXPECT_EQ(after.result->snapshot->version, 2);
}

TEST_F(BatcherTest, WithoutAModelRequestsAreUnavailable) {
  Start(Patient());
  Answer answer;
  ASSERT_THAT(Submit(answer), IsOk());
  batcher_->Stop();
  EXPECT_THAT(answer.result, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(BatcherTest, RequestWithoutImagesGetsTheSnapshot) {
  Serve(5);
  Start(Patient());
  Answer answer;
  ASSERT_THAT(Submit(answer, 0), IsOk());
  batcher_->Stop();
  ASSERT_THAT(answer.result, IsOk());
  EXPECT_EQ(answer.result->snapshot->version, 5);
  EXPECT_EQ(answer.result->encoding.embeddings.rows(), 0);
}

TEST_F(BatcherTest, RequestLargerThanABatchIsABatchByItself) {
  Serve(1);
  Start(Patient(2));
  Answer large;
  ASSERT_THAT(Submit(large, 5), IsOk());
  large.done.WaitForNotification();
  EXPECT_THAT(sizes(), ElementsAre(5));
}

TEST_F(BatcherTest, StoppedBatcherRefuses) {
  Serve(1);
  Start(Patient());
  batcher_->Stop();
  Answer answer;
  EXPECT_THAT(Submit(answer), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(BatcherTest, ManyThreadsEachGetTheirOwnAnswer) {
  Serve(1);
  BatcherOptions options;
  options.max_delay = absl::ZeroDuration();
  options.max_queue = 1000;
  Start(options);
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = 0; i < 20; ++i) {
        Answer answer;
        BatchRequest request = Request(answer, 0);
        request.images.push_back(PhotoImage(1000 * t + i));
        request.modalities.push_back(v1::MODALITY_SKETCH);
        ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
        answer.done.WaitForNotification();
        const Encoding alone =
            EncodeImage(FakeEncoder(1), PhotoImage(1000 * t + i), v1::MODALITY_SKETCH);
        right += answer.result->encoding.embeddings.row(0) == alone.embeddings.row(0) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 160);
}

TEST(BatcherOptionsTest, BadOptionIsNamed) {
  SnapshotSlot slot;
  for (const auto& [batch, queue, name] :
       {std::tuple(0, 1, "max_batch"), std::tuple(257, 1, "max_batch"),
        std::tuple(1, 0, "max_queue")}) {
    BatcherOptions options;
    options.max_batch = batch;
    options.max_queue = queue;
    const auto batcher = Batcher::Create(options, &slot);
    EXPECT_THAT(batcher, StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr(name)));
  }
}

TEST(BatcherOptionsTest, NegativeTimeIsNamed) {
  SnapshotSlot slot;
  BatcherOptions add_time, interval;
  add_time.max_background_time = absl::Milliseconds(-1);
  interval.live_interval = absl::Milliseconds(-1);
  EXPECT_THAT(Batcher::Create(add_time, &slot),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("max_background_time must not be negative")));
  EXPECT_THAT(Batcher::Create(interval, &slot),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("live_interval must not be negative")));
}

}  // namespace
}  // namespace s2p::test
