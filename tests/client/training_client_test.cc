#include "client/connection/training_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/client/fake_training_server.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TrainingClientTest : public testing::Test {
 protected:
  TrainingClientTest() {
    v1::Job job;
    job.set_job_id("a");
    server_.AddJob(job);
  }
  std::unique_ptr<TrainingClient> Connect(const std::string& api_key = "") {
    ClientOptions options;
    options.server = server_.address();
    options.api_key = api_key;
    options.timeout = timeout_;
    return *TrainingClient::Create(options);
  }
  // Gives the job `running` events of a running job, and one of its end.
  void HasEvents(int running, v1::Job::State end = v1::Job::STATE_SUCCEEDED) {
    v1::WatchJobResponse event;
    event.set_state(v1::Job::STATE_RUNNING);
    for (int i = 0; i < running; ++i) server_.AddEvent("a", event);
    event.set_state(end);
    server_.AddEvent("a", event);
  }
  // Gives the job events that are sent unchanged, whatever is requested.
  void HasNumbered(const std::vector<std::pair<int64_t, v1::Job::State>>& events) {
    for (const auto& [number, state] : events) {
      v1::WatchJobResponse event;
      event.set_event(number);
      event.set_state(state);
      server_.AddNumberedEvent("a", event);
    }
  }
  absl::Status Watch(int64_t from_event = 0, const std::string& job_id = "a") {
    return Connect()->WatchJob(
        job_id, from_event,
        [this](const v1::WatchJobResponse& event) {
          events_.push_back(event.event());
          return event.event() == stop_at_ ? absl::AbortedError("enough") : absl::OkStatus();
        },
        [this](const absl::Status&, int64_t next) { breaks_.push_back(next); });
  }

  test::FakeTrainingServer server_;
  int64_t stop_at_ = -1;
  absl::Duration timeout_ = absl::Seconds(30);
  std::vector<int64_t> events_, breaks_;
};

TEST_F(TrainingClientTest, WatchEndsWithTheJob) {
  HasEvents(3);
  ASSERT_THAT(Watch(), IsOk());
  EXPECT_THAT(events_, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(breaks_, IsEmpty());
}

TEST_F(TrainingClientTest, WatchOfAFailedJobIsASuccess) {
  HasEvents(1, v1::Job::STATE_FAILED);
  EXPECT_THAT(Watch(), IsOk());
}

TEST_F(TrainingClientTest, WatchStartsAtTheRequestedEvent) {
  HasEvents(3);
  ASSERT_THAT(Watch(3), IsOk());
  EXPECT_THAT(events_, ElementsAre(3, 4));
}

TEST_F(TrainingClientTest, BrokenWatchResumesWithTheNextEvent) {
  HasEvents(5);
  server_.BreakWatches({2, 1, 2});
  ASSERT_THAT(Watch(), IsOk());
  EXPECT_THAT(events_, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(breaks_, ElementsAre(3, 4, 6));
}

TEST_F(TrainingClientTest, StreamThatTheServerCancelsIsABreak) {
  HasEvents(3);
  server_.BreakWatches({2}, absl::StatusCode::kCancelled);
  ASSERT_THAT(Watch(), IsOk());
  EXPECT_THAT(events_, ElementsAre(1, 2, 3, 4));
}

TEST_F(TrainingClientTest, DamagedEventsAreNotABreak) {
  HasEvents(3);
  server_.BreakWatches({2}, absl::StatusCode::kDataLoss);
  EXPECT_THAT(Watch(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(breaks_, IsEmpty());
}

TEST_F(TrainingClientTest, RepeatedEventIsSkipped) {
  HasEvents(3);
  server_.RepeatEvents();
  server_.BreakWatches({2});
  ASSERT_THAT(Watch(), IsOk());
  EXPECT_THAT(events_, ElementsAre(1, 2, 3, 4));
}

TEST_F(TrainingClientTest, HeartbeatsAreSkipped) {
  HasNumbered({{0, v1::Job::STATE_QUEUED},
               {0, v1::Job::STATE_QUEUED},
               {1, v1::Job::STATE_RUNNING},
               {1, v1::Job::STATE_RUNNING},
               {2, v1::Job::STATE_RUNNING},
               {2, v1::Job::STATE_RUNNING},
               {3, v1::Job::STATE_SUCCEEDED}});
  ASSERT_THAT(Watch(), IsOk());
  EXPECT_THAT(events_, ElementsAre(0, 1, 2, 3));
}

TEST_F(TrainingClientTest, EndWhoseEventWasLostIsAnEnd) {
  HasNumbered({{1, v1::Job::STATE_RUNNING}, {1, v1::Job::STATE_SUCCEEDED}});
  ASSERT_THAT(Watch(), IsOk());
  EXPECT_THAT(events_, ElementsAre(1, 1));
}

TEST_F(TrainingClientTest, WatchFromBeyondTheEndReportsTheEnd) {
  HasNumbered({{3, v1::Job::STATE_SUCCEEDED}});
  ASSERT_THAT(Watch(9), IsOk());
  EXPECT_THAT(events_, ElementsAre(3));
}

TEST_F(TrainingClientTest, WatchSurvivesARestart) {
  HasEvents(3);
  server_.BreakWatches({3});
  const auto client = Connect();
  const absl::Status status = client->WatchJob(
      "a", 1,
      [this](const v1::WatchJobResponse& event) {
        events_.push_back(event.event());
        return absl::OkStatus();
      },
      [this](const absl::Status&, int64_t) { server_.Restart(); });
  ASSERT_THAT(status, IsOk());
  EXPECT_THAT(events_, ElementsAre(1, 2, 3, 4));
}

TEST_F(TrainingClientTest, WatchWithoutProgressFails) {
  v1::WatchJobResponse event;
  event.set_state(v1::Job::STATE_RUNNING);
  server_.AddEvent("a", event);
  timeout_ = absl::Milliseconds(50);
  const absl::Status status = Watch();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kUnavailable, "the events ended before the job did"));
  EXPECT_THAT(events_, ElementsAre(1));
  EXPECT_THAT(breaks_, ElementsAre(2));
  EXPECT_GT(server_.watched_from().size(), 1u);
  EXPECT_EQ(server_.watched_from().back(), 2);
}

TEST_F(TrainingClientTest, SinkEndsTheWatch) {
  HasEvents(5);
  stop_at_ = 2;
  EXPECT_THAT(Watch(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(events_, ElementsAre(1, 2));
}

TEST_F(TrainingClientTest, UnknownJobIsNotWatched) {
  const absl::Status status = Watch(0, "b");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "job_id: there is no job b"));
}

TEST_F(TrainingClientTest, SubmitIsRetriedOnlyWhenTheDaemonIsBusy) {
  server_.FailNextCall(absl::ResourceExhaustedError("the queue is full"));
  EXPECT_THAT(Connect()->SubmitJob(v1::TrainingSpec()), IsOk());
  server_.FailNextCall(absl::UnavailableError("draining"));
  EXPECT_THAT(Connect()->SubmitJob(v1::TrainingSpec()), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(server_.submits(), 1);
}

TEST_F(TrainingClientTest, ReadsAreRetried) {
  server_.FailNextCall(absl::UnavailableError("draining"));
  EXPECT_THAT(Connect()->GetJob("a"), IsOk());
}

TEST_F(TrainingClientTest, KeyIsSentWithEveryCall) {
  HasEvents(1);
  server_.RequireKey("secret");
  EXPECT_THAT(Connect()->GetJob("a"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Watch(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Connect("secret")->GetJob("a"), IsOk());
}

TEST(TrainingClientAloneTest, UnreachableDaemonIsNamedWithItsProgram) {
  ClientOptions options;
  options.server = "127.0.0.1:1";
  const auto job = (*TrainingClient::Create(options))->GetJob("a");
  EXPECT_THAT(job, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1:1")));
  EXPECT_THAT(std::string(job.status().message()), HasSubstr("s2p-trainer serve"));
}

TEST(TrainingClientAloneTest, MissingCertificateFileIsNamed) {
  ClientOptions options;
  options.tls_ca = "/nowhere/ca.pem";
  EXPECT_THAT(std::string(TrainingClient::Create(options).status().message()),
              HasSubstr("/nowhere/ca.pem"));
}

}  // namespace
}  // namespace s2p
