#include "trainer/jobs/job_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class JobWatchTest : public testing::Test {
 protected:
  JobWatchTest() {
    store_ = *JobStore::Open(dir_.path());
    id_ = store_->Create({}, {})->job_id();
  }
  void Watch(int64_t from_event = 0) {
    watch_ = std::make_unique<JobWatch>(
        store_.get(), [this](const std::string&) { return active_; }, id_, from_event,
        absl::Seconds(1));
  }
  void Happen(v1::Job::State state, const std::string& message) {
    v1::WatchJobResponse event;
    event.set_state(state);
    event.set_message(message);
    event.mutable_progress()->set_epoch(3);
    ASSERT_THAT((*store_->Events(id_))->Append(event, false), IsOk());
  }
  void SetState(v1::Job::State state) {
    ASSERT_THAT(store_->Update(id_,
                               [state](v1::JobFile& file) {
                                 file.mutable_job()->set_state(state);
                                 file.mutable_job()->set_reason("why");
                               }),
                IsOk());
  }
  // "2 RUNNING message", "-" for nothing, "end".
  std::string Next() {
    const auto next = watch_->Next(now_);
    EXPECT_THAT(next, IsOk());
    if (next->ended) return "end";
    if (!next->response) return "-";
    return absl::StrCat(next->response->event(), " ",
                        v1::Job::State_Name(next->response->state()).substr(6), " ",
                        next->response->message());
  }

  TempDir dir_;
  std::unique_ptr<JobStore> store_;
  std::string id_;
  bool active_ = false;
  SteadyTime now_;
  std::unique_ptr<JobWatch> watch_;
};

TEST_F(JobWatchTest, ReplaysAndFollowsUntilTheEnd) {
  Happen(v1::Job::STATE_QUEUED, "queued");
  Happen(v1::Job::STATE_RUNNING, "started");
  Watch();
  EXPECT_EQ(Next(), "1 QUEUED queued");
  EXPECT_EQ(Next(), "2 RUNNING started");
  EXPECT_EQ(Next(), "-");
  Happen(v1::Job::STATE_SUCCEEDED, "published");
  SetState(v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(Next(), "3 SUCCEEDED published");
  EXPECT_EQ(Next(), "end");
}

TEST_F(JobWatchTest, BeginsWhereAsked) {
  Happen(v1::Job::STATE_QUEUED, "queued");
  Happen(v1::Job::STATE_RUNNING, "started");
  Watch(2);
  EXPECT_EQ(Next(), "2 RUNNING started");
}

TEST_F(JobWatchTest, SilenceIsBrokenByTheLastEventWithoutItsMessage) {
  Happen(v1::Job::STATE_RUNNING, "started");
  Watch();
  EXPECT_EQ(Next(), "1 RUNNING started");
  now_ += absl::Milliseconds(999);
  EXPECT_EQ(Next(), "-");
  EXPECT_EQ(watch_->Next(now_)->ask_again, now_ + absl::Milliseconds(1));
  now_ += absl::Milliseconds(1);
  const auto beat = watch_->Next(now_);
  ASSERT_TRUE(beat->response);
  EXPECT_EQ(beat->response->event(), 1);
  EXPECT_EQ(beat->response->progress().epoch(), 3u);
  EXPECT_EQ(beat->response->message(), "");
  EXPECT_EQ(Next(), "-");
}

TEST_F(JobWatchTest, HeartbeatsBeginBeforeTheFirstEventThatWasAskedFor) {
  Happen(v1::Job::STATE_RUNNING, "started");
  SetState(v1::Job::STATE_RUNNING);
  Watch(100);
  EXPECT_EQ(Next(), "-");
  now_ += absl::Seconds(1);
  EXPECT_EQ(Next(), "1 RUNNING ");
}

TEST_F(JobWatchTest, EndIsSentWhenItsEventIsBeforeWhereTheWatchBegins) {
  Happen(v1::Job::STATE_FAILED, "why");
  SetState(v1::Job::STATE_FAILED);
  Watch(2);
  EXPECT_EQ(Next(), "1 FAILED why");
  EXPECT_EQ(Next(), "end");
}

TEST_F(JobWatchTest, EndIsSentWhenItsEventWasLost) {
  Happen(v1::Job::STATE_RUNNING, "started");
  SetState(v1::Job::STATE_FAILED);
  Watch();
  EXPECT_EQ(Next(), "1 RUNNING started");
  EXPECT_EQ(Next(), "1 FAILED why");
  EXPECT_EQ(Next(), "end");
}

TEST_F(JobWatchTest, EndThatIsKeptBeforeItsEventIsWaitedFor) {
  Watch();
  active_ = true;
  SetState(v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(Next(), "-");
  Happen(v1::Job::STATE_SUCCEEDED, "published");
  EXPECT_EQ(Next(), "1 SUCCEEDED published");
  EXPECT_EQ(Next(), "-");
  active_ = false;
  EXPECT_EQ(Next(), "end");
}

TEST_F(JobWatchTest, DamagedJobIsShownAsFailed) {
  const std::string file = store_->FolderOf(id_) + "/job.json";
  store_.reset();
  std::ofstream(file) << "x";
  store_ = *JobStore::Open(dir_.path());
  Watch();
  EXPECT_THAT(Next(), HasSubstr("0 FAILED " + file));
  EXPECT_EQ(Next(), "end");
}

TEST_F(JobWatchTest, UnknownJobIsNotFound) {
  id_ = "x";
  Watch();
  EXPECT_THAT(watch_->Next(now_), StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"x\"")));
}

}  // namespace
}  // namespace s2p::test
