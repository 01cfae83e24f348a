#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/commands/commands.h"
#include "client/files.h"
#include "tests/client/fake_training_server.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class TrainCommandTest : public testing::Test {
 protected:
  TrainCommandTest() {
    ClientOptions options;
    options.server = server_.address();
    client_ = *TrainingClient::Create(options);
    EXPECT_THAT(WriteFile(spec_, "preset: \"shoes\"\nname: \"autumn\"\n"), IsOk());
  }

  v1::Job AddJob(const std::string& id, v1::Job::State state = v1::Job::STATE_RUNNING) {
    v1::Job job;
    job.set_job_id(id);
    job.mutable_spec()->set_name(absl::StrCat("name of ", id));
    job.set_state(state);
    job.mutable_progress()->set_ihda_step(2);
    job.mutable_progress()->set_epoch(3);
    job.mutable_progress()->set_epochs(9);
    job.mutable_progress()->set_rank1(0.5);
    job.mutable_created_at()->set_seconds(1'000'000'000);
    job.set_published_version(state == v1::Job::STATE_SUCCEEDED ? 7 : 0);
    job.set_reason(state == v1::Job::STATE_FAILED ? "the loss is NaN" : "");
    server_.AddJob(job);
    return job;
  }
  // Adds the events of a run of two epochs, including its end.
  void AddEvents(const v1::Job& job) {
    v1::WatchJobResponse event;
    event.set_state(v1::Job::STATE_RUNNING);
    for (const uint32_t epoch : {1, 2}) {
      event.mutable_progress()->set_ihda_step(1);
      event.mutable_progress()->set_epoch(epoch);
      event.mutable_progress()->set_epochs(2);
      server_.AddEvent(job.job_id(), event);
    }
    event.set_state(job.state());
    event.set_message(job.reason());
    server_.AddEvent(job.job_id(), event);
  }
  absl::Status Watch(const std::string& id, bool json = false) {
    TrainWatchOptions options;
    options.job_id = id;
    options.json = json;
    return RunTrainWatch(*client_, options, out_, err_);
  }
  template <typename Message>
  static Message Parse(const std::string& json) {
    Message message;
    const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
    EXPECT_TRUE(status.ok()) << json;
    return message;
  }

  test::FakeTrainingServer server_;
  std::unique_ptr<TrainingClient> client_;
  test::TempDir dir_;
  const std::string spec_ = dir_.File("job.textproto");
  std::ostringstream out_, err_;
};

TEST_F(TrainCommandTest, SubmitPrintsTheIdAndSendsTheSpec) {
  TrainSubmitOptions options;
  options.spec = spec_;
  options.set = {"step2.epochs=5", "name=winter"};
  ASSERT_THAT(RunTrainSubmit(*client_, options, out_, err_), IsOk());
  EXPECT_EQ(out_.str(), "job-1\n");
  const v1::TrainingSpec spec = server_.last_spec();
  EXPECT_EQ(spec.preset(), "shoes");
  EXPECT_EQ(spec.name(), "winter");
  EXPECT_EQ(spec.step2().epochs(), 5u);
  EXPECT_FALSE(spec.has_step1());
}

TEST_F(TrainCommandTest, SubmitPrintsTheReplyAsJson) {
  TrainSubmitOptions options;
  options.spec = spec_;
  options.json = true;
  ASSERT_THAT(RunTrainSubmit(*client_, options, out_, err_), IsOk());
  const auto response = Parse<v1::SubmitJobResponse>(out_.str());
  EXPECT_EQ(response.job().job_id(), "job-1");
  EXPECT_EQ(response.job().spec().name(), "autumn");
}

TEST_F(TrainCommandTest, WrongFieldIsNotSubmitted) {
  TrainSubmitOptions options;
  options.spec = spec_;
  options.set = {"step2.epochs=many"};
  const absl::Status status = RunTrainSubmit(*client_, options, out_, err_);
  EXPECT_EQ(status.message(), "--set step2.epochs: must be a whole number of 0 or more");
  EXPECT_EQ(server_.submits(), 0);
}

TEST_F(TrainCommandTest, RefusalByTheTrainerKeepsItsMessage) {
  server_.FailNextCall(absl::InvalidArgumentError("source_dataset: there is no folder x"));
  TrainSubmitOptions options;
  options.spec = spec_;
  const absl::Status status = RunTrainSubmit(*client_, options, out_, err_);
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "source_dataset: there is no folder x"));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(TrainCommandTest, SubmitThenWatches) {
  v1::Job job;
  job.set_job_id("job-1");
  job.set_state(v1::Job::STATE_SUCCEEDED);
  AddEvents(job);
  TrainSubmitOptions options;
  options.spec = spec_;
  options.watch = true;
  ASSERT_THAT(RunTrainSubmit(*client_, options, out_, err_), IsOk());
  EXPECT_THAT(out_.str(), StartsWith("job-1\nrunning\nstep 1 epoch 1/2"));
}

TEST_F(TrainCommandTest, ListFetchesAllPagesNewestFirst) {
  for (const char* id : {"a", "b", "c", "d", "e"}) AddJob(id);
  ASSERT_THAT(RunTrainList(*client_, {}, out_), IsOk());
  std::vector<std::string> ids;
  for (const absl::string_view line : absl::StrSplit(out_.str(), '\n', absl::SkipEmpty())) {
    ids.emplace_back(line.substr(0, line.find(' ')));
  }
  EXPECT_THAT(ids, ElementsAre("job", "e", "d", "c", "b", "a"));
}

TEST_F(TrainCommandTest, ListShowsTheProgressOfAJob) {
  AddJob("a", v1::Job::STATE_SUCCEEDED);
  ASSERT_THAT(RunTrainList(*client_, {}, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("a    name of a  succeeded  step 2 epoch 3/9  50.0 %        7  "
                                    "2001-09-0"));
}

TEST_F(TrainCommandTest, ListStopsAtItsLimit) {
  for (const char* id : {"a", "b", "c", "d", "e"}) AddJob(id);
  TrainListOptions options;
  options.limit = 2;
  options.json = true;
  ASSERT_THAT(RunTrainList(*client_, options, out_), IsOk());
  const auto response = Parse<v1::ListJobsResponse>(out_.str());
  EXPECT_EQ(response.jobs_size(), 2);
  EXPECT_EQ(response.next_page_token(), "2");
}

TEST_F(TrainCommandTest, WithoutJobsTheListSaysSo) {
  ASSERT_THAT(RunTrainList(*client_, {}, out_), IsOk());
  EXPECT_EQ(out_.str(), "no jobs yet\n");
}

TEST_F(TrainCommandTest, WatchedSuccessIsASuccess) {
  AddEvents(AddJob("a", v1::Job::STATE_SUCCEEDED));
  ASSERT_THAT(Watch("a"), IsOk());
  EXPECT_EQ(out_.str(),
            "running\nstep 1 epoch 1/2\nstep 1 epoch 2/2\n"
            "job a succeeded; version 7 was published\n");
}

TEST_F(TrainCommandTest, WatchedFailureShowsTheReason) {
  AddEvents(AddJob("a", v1::Job::STATE_FAILED));
  const absl::Status status = Watch("a");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, "job a failed: the loss is NaN"));
}

TEST_F(TrainCommandTest, WatchedCancellationIsNotASuccess) {
  AddEvents(AddJob("a", v1::Job::STATE_CANCELLED));
  const absl::Status status = Watch("a");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled, "job a was cancelled"));
}

TEST_F(TrainCommandTest, WatchPrintsEachEventAsALineOfJson) {
  AddEvents(AddJob("a", v1::Job::STATE_SUCCEEDED));
  ASSERT_THAT(Watch("a", /*json=*/true), IsOk());
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(Parse<v1::WatchJobResponse>(lines[i]).event(), static_cast<int64_t>(i) + 1);
  }
}

TEST_F(TrainCommandTest, BrokenWatchSaysSoAndMissesNothing) {
  AddEvents(AddJob("a", v1::Job::STATE_SUCCEEDED));
  server_.BreakWatches({1});
  ASSERT_THAT(Watch("a"), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("the connection broke (going away); resuming with event 2\n"));
  EXPECT_THAT(out_.str(), HasSubstr("step 1 epoch 2/2\n"));
  EXPECT_THAT(server_.watched_from(), ElementsAre(1, 2));
}

TEST_F(TrainCommandTest, BrokenWatchLeavesTheJsonClean) {
  AddEvents(AddJob("a", v1::Job::STATE_SUCCEEDED));
  server_.BreakWatches({1});
  ASSERT_THAT(Watch("a", /*json=*/true), IsOk());
  EXPECT_THAT(out_.str(), Not(HasSubstr("broke")));
  EXPECT_THAT(err_.str(), HasSubstr("resuming with event 2"));
}

TEST_F(TrainCommandTest, ClosedOutputEndsTheWatch) {
  AddEvents(AddJob("a", v1::Job::STATE_SUCCEEDED));
  out_.setstate(std::ios::badbit);
  EXPECT_THAT(Watch("a"), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(TrainCommandTest, WatchOfAnUnknownJobIsNotFound) {
  EXPECT_EQ(Watch("nobody").message(), "job_id: there is no job nobody");
  EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(TrainCommandTest, CancelEndsAJobOnce) {
  AddJob("a");
  ASSERT_THAT(RunTrainCancel(*client_, "a", /*json=*/false, out_), IsOk());
  EXPECT_EQ(out_.str(), "job a was cancelled\n");
  const absl::Status again = RunTrainCancel(*client_, "a", /*json=*/false, out_);
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kFailedPrecondition, "job a has ended already"));
}

TEST_F(TrainCommandTest, CancelPrintsTheReplyAsJson) {
  AddJob("a");
  ASSERT_THAT(RunTrainCancel(*client_, "a", /*json=*/true, out_), IsOk());
  EXPECT_EQ(Parse<v1::CancelJobResponse>(out_.str()).job().state(), v1::Job::STATE_CANCELLED);
}

TEST_F(TrainCommandTest, RetryQueuesAFailedJobOnce) {
  AddJob("a", v1::Job::STATE_FAILED);
  ASSERT_THAT(RunTrainRetry(*client_, "a", /*json=*/false, out_), IsOk());
  EXPECT_EQ(out_.str(), "job a is queued again\n");
  EXPECT_EQ(client_->GetJob("a")->job().state(), v1::Job::STATE_QUEUED);
  const absl::Status again = RunTrainRetry(*client_, "a", /*json=*/false, out_);
  EXPECT_THAT(again, StatusIs(absl::StatusCode::kFailedPrecondition, "job a cannot be retried"));
}

TEST_F(TrainCommandTest, RetryPrintsTheReplyAsJson) {
  AddJob("a", v1::Job::STATE_CANCELLED);
  ASSERT_THAT(RunTrainRetry(*client_, "a", /*json=*/true, out_), IsOk());
  EXPECT_EQ(Parse<v1::RetryJobResponse>(out_.str()).job().state(), v1::Job::STATE_QUEUED);
}

TEST_F(TrainCommandTest, GetShowsOnlyKnownDetails) {
  v1::Job job;
  job.set_job_id("a");
  job.set_state(v1::Job::STATE_SUCCEEDED);
  job.set_published_version(7);
  job.set_memory_bytes(uint64_t{3} << 29);
  job.set_learning_curve_file("/state/jobs/a/curve.png");
  v1::Evaluation& evaluation = *job.add_evaluations();
  evaluation.set_dataset("shoes");
  evaluation.set_split("test");
  evaluation.set_direction("sketch-to-photo");
  evaluation.set_rank1(0.5);
  evaluation.set_mean_average_precision(0.25);
  server_.AddJob(job);
  ASSERT_THAT(RunTrainGet(*client_, "a", /*json=*/false, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("job         a\n"));
  EXPECT_THAT(out_.str(), HasSubstr("version     7\n"));
  EXPECT_THAT(out_.str(), HasSubstr("images      1.50 GiB of main memory\n"));
  EXPECT_THAT(out_.str(), HasSubstr("curve       /state/jobs/a/curve.png\n"));
  EXPECT_THAT(out_.str(), HasSubstr("evaluation  rank-1 50.0 %, rank-10 0.0 %, mAP 25.0 % on "
                                    "shoes/test, sketch-to-photo\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("reason")));
  EXPECT_THAT(out_.str(), Not(HasSubstr("1970")));
}

TEST_F(TrainCommandTest, GetShowsWhatBecameOfEachRound) {
  v1::Job job;
  job.set_job_id("a");
  v1::TrainingRound& first = *job.add_rounds();
  first.set_pairs(20);
  first.set_metric("mAP");
  first.set_candidate(0.5);
  first.set_published_version(2);
  v1::TrainingRound& second = *job.add_rounds() = first;
  second.set_pairs(34);
  second.set_candidate(0.482);
  second.set_published(0.5);
  second.set_compared_version(2);
  second.set_published_version(0);
  v1::TrainingRound& third = *job.add_rounds();
  third.set_reason("not trained: no pair");
  server_.AddJob(job);
  ASSERT_THAT(RunTrainGet(*client_, "a", /*json=*/false, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr(", 20 pairs: mAP 50.0 %, published as version 2\n"));
  EXPECT_THAT(out_.str(),
              HasSubstr(", 34 pairs: mAP 48.2 % against 50.0 % of version 2, kept back\n"));
  EXPECT_THAT(out_.str(), HasSubstr(", 0 pairs, not trained: no pair\n"));
}

TEST_F(TrainCommandTest, GetPrintsTheReplyAsJson) {
  AddJob("a");
  ASSERT_THAT(RunTrainGet(*client_, "a", /*json=*/true, out_), IsOk());
  EXPECT_EQ(Parse<v1::GetJobResponse>(out_.str()).job().progress().epoch(), 3u);
}

TEST_F(TrainCommandTest, GetOfAnUnknownJobIsNotFound) {
  EXPECT_THAT(RunTrainGet(*client_, "b", /*json=*/false, out_),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p
