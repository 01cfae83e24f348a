// Two batches at one time: one is encoded while the one before it is searched for and answered.
#include <atomic>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/search/batch.h"
#include "tests/server/search/gallery_batcher_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

class BatchPipelineTest : public GalleryBatcherTest {
 protected:
  // Starts a batcher, and stops its second stage in the search of `first_`.
  void StartAndHoldFirst(const BatcherOptions& options = AtOnce()) {
    Start(options);
    view_->hold = true;
    ASSERT_THAT(batcher_->Submit(Search(first_, 3)), IsOk());
    view_->holding.WaitForNotification();
  }
  static BatcherOptions AtOnce() {
    BatcherOptions options;
    options.max_delay = absl::ZeroDuration();
    return options;
  }
  void SubmitSearch(Answer& answer, uint32_t seed) {
    ASSERT_THAT(batcher_->Submit(Search(answer, seed)), IsOk());
  }

  Answer first_;
};

TEST_F(BatchPipelineTest, NextBatchIsEncodedWhileOneIsSearchedFor) {
  StartAndHoldFirst();
  Answer second;
  SubmitSearch(second, 5);
  // Does not return if the batches follow one another.
  AwaitBatches(2);
  EXPECT_FALSE(first_.done.HasBeenNotified());
  EXPECT_FALSE(second.done.HasBeenNotified());
  view_->go_on.Notify();
  batcher_->Stop();
  EXPECT_EQ(Best(first_), "photo3");
  EXPECT_EQ(Best(second), "photo5");
}

TEST_F(BatchPipelineTest, WhatComesWhileBothStagesAreFullIsOneBatch) {
  StartAndHoldFirst();
  Answer second, third, fourth;
  SubmitSearch(second, 5);
  AwaitBatches(2);
  SubmitSearch(third, 6);
  SubmitSearch(fourth, 7);
  EXPECT_EQ(batcher_->queue_depth(), 2);
  view_->go_on.Notify();
  batcher_->Stop();
  EXPECT_THAT(sizes(), ElementsAre(1, 1, 2));
  EXPECT_THAT(view_->searches(), ElementsAre(1, 1, 2));
  EXPECT_EQ(Best(fourth), "photo7");
}

TEST_F(BatchPipelineTest, ThreadIsPreparedBeforeItsFirstSearchAfterAModelHasCome) {
  BatcherOptions options = AtOnce();
  // Both on the thread that answers.
  std::vector<std::string> steps;
  std::thread::id preparing, answering;
  options.before_search = [&] {
    preparing = std::this_thread::get_id();
    steps.push_back(absl::StrCat("prepare after ", view_->searches().size()));
  };
  slot_.Set(nullptr);
  Start(options);
  Answer early, search;
  SubmitSearch(early, 3);
  early.done.WaitForNotification();
  Serve(1, view_);
  BatchRequest request = Search(search, 5);
  request.done = [&](const absl::StatusOr<BatchResult>&) {
    answering = std::this_thread::get_id();
    steps.push_back(absl::StrCat("answer after ", view_->searches().size()));
  };
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  batcher_->Stop();
  EXPECT_THAT(early.result, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(steps, ElementsAre("prepare after 0", "answer after 1"));
  EXPECT_EQ(preparing, answering);
}

TEST_F(BatchPipelineTest, EachBatchIsAnsweredFromTheSnapshotItWasEncodedWith) {
  StartAndHoldFirst();
  Answer second;
  SubmitSearch(second, 5);
  AwaitBatches(2);
  // Without a gallery, so that a search with this snapshot would find nothing.
  Serve(2);
  Answer third;
  ASSERT_THAT(Submit(third), IsOk());
  view_->go_on.Notify();
  batcher_->Stop();
  EXPECT_EQ(Best(second), "photo5");
  EXPECT_EQ(second.result->snapshot->version, 1);
  EXPECT_EQ(third.result->snapshot->version, 2);
}

TEST_F(BatchPipelineTest, StopAnswersWhatIsInBothStagesAndWhatWaitsOnce) {
  std::atomic<int> answers{0};
  const auto counted = [&answers](BatchRequest request) {
    request.done = [&answers, done = std::move(request.done)](absl::StatusOr<BatchResult> result) {
      ++answers;
      done(std::move(result));
    };
    return request;
  };
  StartAndHoldFirst();
  Answer second, third, add;
  ASSERT_THAT(batcher_->Submit(counted(Search(second, 5))), IsOk());
  AwaitBatches(2);
  ASSERT_THAT(batcher_->Submit(counted(Search(third, 6))), IsOk());
  BatchRequest background = Request(add, 1);
  background.priority = Priority::kBackground;
  ASSERT_THAT(batcher_->Submit(counted(std::move(background))), IsOk());
  std::thread stopper([this] { batcher_->Stop(); });
  // Until Stop has begun.
  while (!absl::IsUnavailable(batcher_->CheckRoom(BatchRequest()))) std::this_thread::yield();
  view_->go_on.Notify();
  stopper.join();
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(Best(first_), "photo3");
  EXPECT_EQ(Best(second), "photo5");
  EXPECT_EQ(Best(third), "photo6");
  EXPECT_THAT(add.result, IsOk());
}

TEST_F(BatchPipelineTest, SearchCancelledBetweenTheStagesIsNotSearchedFor) {
  StartAndHoldFirst();
  Answer second;
  std::atomic<bool> cancelled{false};
  BatchRequest request = Search(second, 5);
  request.cancelled = [&cancelled] { return cancelled.load(); };
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  Answer third;
  // It was still wanted when it came to the encoder.
  AwaitBatches(2);
  SubmitSearch(third, 6);
  cancelled = true;
  view_->go_on.Notify();
  batcher_->Stop();
  EXPECT_THAT(second.result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(Best(third), "photo6");
  EXPECT_THAT(view_->searches(), ElementsAre(1, 1));
}

// Steps one batch by hand.
TEST_F(BatchPipelineTest, SearchWhoseDeadlinePassesBetweenTheStagesIsNotSearchedFor) {
  Answer late, other;
  BatchRequest request = Search(late, 5);
  request.deadline = clock_.Now() + absl::Milliseconds(1);
  Batch batch(clock_.AsClock());
  batch.Add(std::move(request), clock_.Now());
  batch.Add(Search(other, 6), clock_.Now());
  batch.Encode(slot_.Get());
  // It was still wanted when it came to the encoder.
  EXPECT_THAT(sizes(), ElementsAre(2));
  clock_.Advance(absl::Milliseconds(1));
  batch.Search();
  batch.Answer();
  EXPECT_THAT(late.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Best(other), "photo6");
  EXPECT_THAT(view_->searches(), ElementsAre(1));
}

TEST_F(BatchPipelineTest, TimeInTheQueueIncludesTheWaitBetweenTheStages) {
  Answer search, add;
  Batch batch(clock_.AsClock());
  batch.Add(Search(search, 5), clock_.Now());
  batch.Add(Request(add, 1), clock_.Now());
  clock_.Advance(absl::Milliseconds(10));
  batch.Encode(slot_.Get());
  clock_.Advance(absl::Milliseconds(30));
  batch.Search();
  batch.Answer();
  ASSERT_THAT(search.result, IsOk());
  EXPECT_EQ(search.result->queue_time, absl::Milliseconds(40));
  EXPECT_EQ(add.result->queue_time, absl::Milliseconds(40));
}

TEST_F(BatchPipelineTest, RequestThatIsNoLongerWantedIsAnsweredBeforeItsBatchIsEncoded) {
  Start(Patient(3));
  Answer cancelled, late, other;
  BatchRequest request = Search(cancelled, 5);
  request.cancelled = [] { return true; };
  hold_ = true;
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  request = Search(late, 6);
  request.deadline = SteadyTime::InfinitePast();
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  SubmitSearch(other, 7);
  holding_.WaitForNotification();
  EXPECT_TRUE(cancelled.done.HasBeenNotified());
  EXPECT_TRUE(late.done.HasBeenNotified());
  EXPECT_FALSE(other.done.HasBeenNotified());
  go_on_.Notify();
  batcher_->Stop();
  EXPECT_THAT(cancelled.result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(late.result, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Best(other), "photo7");
}

TEST_F(BatchPipelineTest, ReportCountsWhatWasComputed) {
  Answer search, add, without_images, dropped;
  Batch batch;
  batch.Add(Search(search, 5), SteadyTime::Now());
  batch.Add(Request(add, 2), SteadyTime::Now());
  batch.Add(Request(without_images, 0), SteadyTime::Now());
  BatchRequest late = Search(dropped, 6);
  late.deadline = SteadyTime::InfinitePast();
  batch.Add(std::move(late), SteadyTime::Now());
  EXPECT_EQ(batch.places(), 5);
  batch.Encode(slot_.Get());
  batch.Search();
  batch.Answer();
  const BatchReport& report = batch.report();
  EXPECT_EQ(report.images, 3);
  EXPECT_EQ(report.queries, 1);
  EXPECT_EQ(report.places, 4);
  EXPECT_EQ(report.encode_time, 3 * kEncodeTime);
  EXPECT_GE(report.pace, report.search_time);
}

TEST_F(BatchPipelineTest, CancelledAddKeepsAnEmbeddingThatIsComputed) {
  Answer add;
  BatchRequest request = Request(add, 1);
  bool cancelled = false;
  request.cancelled = [&cancelled] { return cancelled; };
  Batch batch;
  batch.Add(std::move(request), SteadyTime::Now());
  batch.Encode(slot_.Get());
  cancelled = true;
  batch.Search();
  batch.Answer();
  ASSERT_THAT(add.result, IsOk());
  EXPECT_EQ(add.result->encoding.embeddings.rows(), 1);
}

// With the delay of a day, whatever waits for it never ends.
class BatchDelayTest : public BatcherTest {
 protected:
  static BatcherOptions Slow(int max_batch) {
    BatcherOptions options;
    options.max_delay = absl::Hours(24);
    options.max_batch = max_batch;
    options.live_interval = absl::ZeroDuration();
    return options;
  }
  void HoldFirst() {
    hold_ = true;
    ASSERT_THAT(Submit(first_), IsOk());
    holding_.WaitForNotification();
  }

  Answer first_;
};

TEST_F(BatchDelayTest, LoneRequestsStartAtOnce) {
  Serve(1);
  Start(Slow(8));
  for (int i = 0; i < 3; ++i) {
    Answer answer;
    ASSERT_THAT(Submit(answer), IsOk());
    answer.done.WaitForNotification();
    EXPECT_THAT(answer.result, IsOk());
  }
}

TEST_F(BatchDelayTest, AfterABatchOfSeveralTheNextWaitsForCompany) {
  Serve(1);
  Start(Slow(2));
  HoldFirst();
  Answer second, third, fourth, fifth;
  ASSERT_THAT(Submit(second), IsOk());
  ASSERT_THAT(Submit(third), IsOk());
  go_on_.Notify();
  third.done.WaitForNotification();
  ASSERT_THAT(Submit(fourth), IsOk());
  // A batcher that does not wait takes it meanwhile.
  for (int i = 0; i < 10'000; ++i) {
    ASSERT_EQ(batcher_->queue_depth(), 1);
    std::this_thread::yield();
  }
  ASSERT_THAT(Submit(fifth), IsOk());
  fifth.done.WaitForNotification();
  EXPECT_THAT(sizes(), ElementsAre(1, 2, 2));
}

TEST_F(BatchDelayTest, CompanyIsForgottenOnceTheQueueWasEmptyForLongerThanTheDelay) {
  Serve(1);
  BatcherOptions options = Slow(8);
  options.clock = clock_.AsClock();
  Start(options);
  HoldFirst();
  Answer second, third, lone;
  ASSERT_THAT(Submit(second), IsOk());
  ASSERT_THAT(Submit(third), IsOk());
  go_on_.Notify();
  third.done.WaitForNotification();
  clock_.Advance(options.max_delay + absl::Seconds(1));
  ASSERT_THAT(Submit(lone), IsOk());
  lone.done.WaitForNotification();
  EXPECT_THAT(sizes(), ElementsAre(1, 2, 1));
}

TEST_F(BatchDelayTest, SearchDoesNotWaitForTheCompanyThatAddsHad) {
  Serve(1);
  Start(Slow(8));
  HoldFirst();
  Answer add, other_add, search;
  ASSERT_THAT(Submit(add, 1, Priority::kBackground), IsOk());
  ASSERT_THAT(Submit(other_add, 1, Priority::kBackground), IsOk());
  go_on_.Notify();
  other_add.done.WaitForNotification();
  ASSERT_THAT(sizes(), ElementsAre(1, 2));
  // This one may expect others after it; a search ends its wait.
  Answer waiting_add;
  ASSERT_THAT(Submit(waiting_add, 1, Priority::kBackground), IsOk());
  ASSERT_THAT(Submit(search), IsOk());
  search.done.WaitForNotification();
  EXPECT_THAT(search.result, IsOk());
  batcher_->Stop();
  EXPECT_THAT(waiting_add.result, IsOk());
}

// Images take a millisecond each, as the encoder says.
class AddTimeTest : public BatcherTest {
 protected:
  static BatcherOptions Bounded(absl::Duration time) {
    BatcherOptions options;
    options.max_delay = absl::ZeroDuration();
    options.max_batch = 16;
    options.max_background_wait = absl::InfiniteDuration();
    options.max_background_time = time;
    options.live_interval = absl::InfiniteDuration();
    return options;
  }
  // Lets `live` searches and `adds` wait until a first batch, with one image of this priority, has
  // ended. Returns the sizes of the batches after it.
  std::vector<int> BatchesOf(const BatcherOptions& options, int live, int adds,
                             Priority first_priority = Priority::kLive) {
    Serve(1);
    Start(options);
    hold_ = true;
    EXPECT_THAT(Submit(answers_.emplace_back(), 1, first_priority), IsOk());
    holding_.WaitForNotification();
    for (int i = 0; i < adds; ++i) {
      EXPECT_THAT(Submit(answers_.emplace_back(), 1, Priority::kBackground), IsOk());
    }
    for (int i = 0; i < live; ++i) EXPECT_THAT(Submit(answers_.emplace_back()), IsOk());
    go_on_.Notify();
    batcher_->Stop();
    for (const Answer& answer : answers_) EXPECT_THAT(answer.result, IsOk());
    const std::vector<int> all = sizes();
    return {all.begin() + 1, all.end()};
  }

  std::deque<Answer> answers_;
};

TEST_F(AddTimeTest, AddsLengthenABatchOfSearchesByTheBoundAtMost) {
  // Two searches and three adds; then adds alone, as a search may come.
  EXPECT_THAT(BatchesOf(Bounded(3.5 * kEncodeTime), 2, 8), ElementsAre(5, 3, 2));
}

TEST_F(AddTimeTest, AddsLongerThanTheBoundAreAloneAndOneByOne) {
  EXPECT_THAT(BatchesOf(Bounded(kEncodeTime / 2), 2, 2), ElementsAre(2, 1, 1));
}

TEST_F(AddTimeTest, AddsFillTheirBatchesWhenNoSearchCameLately) {
  BatcherOptions options = Bounded(absl::ZeroDuration());
  EXPECT_THAT(BatchesOf(options, 0, 20, Priority::kBackground), ElementsAre(16, 4));
}

TEST_F(AddTimeTest, AddsFillTheirBatchesWhenTheLastSearchIsLongAgo) {
  BatcherOptions options = Bounded(absl::ZeroDuration());
  options.live_interval = absl::ZeroDuration();
  EXPECT_THAT(BatchesOf(options, 0, 20), ElementsAre(16, 4));
}

TEST_F(AddTimeTest, AddThatHasWaitedForLongCountsIntoTheBound) {
  BatcherOptions options = Bounded(2.5 * kEncodeTime);
  options.max_background_wait = absl::ZeroDuration();
  EXPECT_THAT(BatchesOf(options, 1, 4), ElementsAre(3, 2));
}

TEST_F(AddTimeTest, BeforeAnythingIsMeasuredOneAddJoins) {
  Serve(1);
  BatcherOptions options = Bounded(absl::Hours(1));
  options.max_batch = 4;
  options.max_delay = absl::InfiniteDuration();
  Start(options);
  Answer add, other_add, third_add, search;
  ASSERT_THAT(Submit(add, 1, Priority::kBackground), IsOk());
  ASSERT_THAT(Submit(other_add, 1, Priority::kBackground), IsOk());
  ASSERT_THAT(Submit(third_add, 1, Priority::kBackground), IsOk());
  ASSERT_THAT(Submit(search), IsOk());
  search.done.WaitForNotification();
  batcher_->Stop();
  EXPECT_THAT(sizes(), ElementsAre(2, 2));
}

}  // namespace
}  // namespace s2p::test
