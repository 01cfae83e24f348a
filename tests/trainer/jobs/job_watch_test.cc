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
    auto watch = JobWatch::Create(
        store_.get(), [this](const std::string&) { return under_way_; }, id_, from_event,
        absl::Seconds(1));
    ASSERT_THAT(watch, IsOk());
    watch_ = *std::move(watch);
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
  std::string Say() {
    const auto next = watch_->Say(now_);
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
  bool under_way_ = false;
  absl::Time now_ = absl::UnixEpoch();
  std::unique_ptr<JobWatch> watch_;
};

TEST_F(JobWatchTest, ReplaysAndGoesOnUntilTheEnd) {
  Happen(v1::Job::STATE_QUEUED, "queued");
  Happen(v1::Job::STATE_RUNNING, "begins");
  Watch();
  EXPECT_EQ(Say(), "1 QUEUED queued");
  EXPECT_EQ(Say(), "2 RUNNING begins");
  EXPECT_EQ(Say(), "-");
  Happen(v1::Job::STATE_SUCCEEDED, "published");
  SetState(v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(Say(), "3 SUCCEEDED published");
  EXPECT_EQ(Say(), "end");
}

TEST_F(JobWatchTest, BeginsWhereAsked) {
  Happen(v1::Job::STATE_QUEUED, "queued");
  Happen(v1::Job::STATE_RUNNING, "begins");
  Watch(2);
  EXPECT_EQ(Say(), "2 RUNNING begins");
}

TEST_F(JobWatchTest, SilenceIsBrokenByTheLastEventWithoutItsMessage) {
  Happen(v1::Job::STATE_RUNNING, "begins");
  Watch();
  EXPECT_EQ(Say(), "1 RUNNING begins");
  now_ += absl::Milliseconds(999);
  EXPECT_EQ(Say(), "-");
  EXPECT_EQ(watch_->next_heartbeat(), now_ + absl::Milliseconds(1));
  now_ += absl::Milliseconds(1);
  const auto beat = watch_->Say(now_);
  ASSERT_TRUE(beat->response);
  EXPECT_EQ(beat->response->event(), 1);
  EXPECT_EQ(beat->response->progress().epoch(), 3u);
  EXPECT_EQ(beat->response->message(), "");
  EXPECT_EQ(Say(), "-");
}

TEST_F(JobWatchTest, HeartbeatsBeginBeforeTheFirstEventThatWasAskedFor) {
  Happen(v1::Job::STATE_RUNNING, "begins");
  SetState(v1::Job::STATE_RUNNING);
  Watch(100);
  EXPECT_EQ(Say(), "-");
  now_ += absl::Seconds(1);
  EXPECT_EQ(Say(), "1 RUNNING ");
}

TEST_F(JobWatchTest, EndIsSaidWhenItsEventIsBeforeWhereTheWatchBegins) {
  Happen(v1::Job::STATE_FAILED, "why");
  SetState(v1::Job::STATE_FAILED);
  Watch(2);
  EXPECT_EQ(Say(), "1 FAILED why");
  EXPECT_EQ(Say(), "end");
}

TEST_F(JobWatchTest, EndIsSaidWhenItsEventWasLost) {
  Happen(v1::Job::STATE_RUNNING, "begins");
  SetState(v1::Job::STATE_FAILED);
  Watch();
  EXPECT_EQ(Say(), "1 RUNNING begins");
  EXPECT_EQ(Say(), "1 FAILED why");
  EXPECT_EQ(Say(), "end");
}

TEST_F(JobWatchTest, EndThatIsKeptBeforeItsEventIsWaitedFor) {
  Watch();
  under_way_ = true;
  SetState(v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(Say(), "-");
  Happen(v1::Job::STATE_SUCCEEDED, "published");
  EXPECT_EQ(Say(), "1 SUCCEEDED published");
  EXPECT_EQ(Say(), "-");
  under_way_ = false;
  EXPECT_EQ(Say(), "end");
}

TEST_F(JobWatchTest, DamagedJobIsSaidToHaveFailed) {
  const std::string file = store_->FolderOf(id_) + "/job.json";
  store_.reset();
  std::ofstream(file) << "x";
  store_ = *JobStore::Open(dir_.path());
  Watch();
  EXPECT_THAT(Say(), HasSubstr("0 FAILED " + file));
  EXPECT_EQ(Say(), "end");
}

TEST_F(JobWatchTest, UnknownJobIsNotFound) {
  EXPECT_THAT(JobWatch::Create(store_.get(), nullptr, "x", 0, absl::Seconds(1)),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p::test
