#include "trainer/jobs/job_scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/jobs/job_fixture.h"
#include "trainer/jobs/job_file.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class JobSchedulerTest : public JobFixture {};

TEST_F(JobSchedulerTest, RunThatEndsWellIsSucceededWithItsOutcome) {
  const std::string id = Submit("a");
  auto run = runner_.NextRun();
  EXPECT_EQ(run->job().spec().name(), "a");
  EXPECT_EQ(run->job().resolved_spec().seed(), 7u);
  EXPECT_EQ(run->folder(), store_->FolderOf(id));
  JobOutcome outcome = Published(3);
  outcome.learning_curve_file = "/x/curve.png";
  outcome.evaluations.emplace_back().set_rank1(0.5);
  run->End(outcome);
  const v1::Job job = WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(job.published_version(), 3);
  EXPECT_EQ(job.reason(), "published");
  EXPECT_EQ(job.learning_curve_file(), "/x/curve.png");
  EXPECT_EQ(job.evaluations(0).rank1(), 0.5);
  EXPECT_EQ(job.started_at().seconds(), 1000);
  EXPECT_EQ(job.ended_at().seconds(), 1000);
  EXPECT_THAT(StatesTold(id), ElementsAre("QUEUED", "RUNNING", "SUCCEEDED"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_train_published_total{result=\"published\"} 1"));
}

TEST_F(JobSchedulerTest, RoundIsKeptWithTheEndOfItsJob) {
  const std::string id = Submit();
  JobOutcome outcome = Published(3);
  outcome.reason = std::string(1023, 'a') + "é";
  outcome.round.emplace().set_pairs(12);
  runner_.NextRun()->End(outcome);
  const v1::Job job = WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  ASSERT_EQ(job.rounds_size(), 1);
  EXPECT_EQ(job.rounds(0).job_id(), id);
  EXPECT_EQ(job.rounds(0).pairs(), 12u);
  EXPECT_EQ(job.rounds(0).ended_at().seconds(), 1000);
  EXPECT_EQ(job.rounds(0).published_version(), 3);
  EXPECT_EQ(job.rounds(0).reason(), std::string(1023, 'a')) << "no half of a character";
}

TEST_F(JobSchedulerTest, RunThatFailsIsFailedWithItsReason) {
  const std::string id = Submit();
  runner_.NextRun()->End(absl::InvalidArgumentError("loss: not finite"));
  EXPECT_EQ(WaitForEnd(id, v1::Job::STATE_FAILED).reason(), "loss: not finite");
}

TEST_F(JobSchedulerTest, CancelledThatNobodyAskedForIsAFailure) {
  const std::string id = Submit();
  runner_.NextRun()->End(absl::CancelledError("of its own"));
  EXPECT_EQ(WaitForEnd(id, v1::Job::STATE_FAILED).reason(), "of its own");
}

TEST_F(JobSchedulerTest, SpecThatIsRefusedLeavesNoJob) {
  runner_.RefuseSpecs(absl::InvalidArgumentError("step2.epochs: x; loss.domain: y"));
  const absl::Status status = scheduler_->Submit({}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("step2.epochs: x; loss.domain: y")));
  EXPECT_TRUE(store_->All().empty());
}

TEST_F(JobSchedulerTest, JobsRunOneAfterTheOtherInOrder) {
  const std::string a = Submit("a"), b = Submit("b"), c = Submit("c");
  for (const char* name : {"a", "b", "c"}) {
    auto run = runner_.NextRun();
    EXPECT_EQ(run->job().spec().name(), name);
    EXPECT_EQ(store_->Counts()[v1::Job::STATE_RUNNING], 1);
    run->End(Published(1));
  }
  WaitForEnd(c, v1::Job::STATE_SUCCEEDED);
}

TEST_F(JobSchedulerTest, MaxRunningRunAtOneTime) {
  Close();
  options_.max_running = 2;
  Open();
  Submit();
  Submit();
  const std::string third = Submit();
  auto first = runner_.NextRun();
  auto second = runner_.NextRun();
  EXPECT_EQ(StateOf(third), v1::Job::STATE_QUEUED);
  second->End(Published(1));
  EXPECT_EQ(runner_.NextRun()->job().job_id(), third);
  EXPECT_EQ(StateOf(first->job().job_id()), v1::Job::STATE_RUNNING);
}

TEST_F(JobSchedulerTest, OptionsOutsideTheirRangeAreNamed) {
  for (const int max_running : {0, 65}) {
    options_.max_running = max_running;
    const absl::Status status =
        JobScheduler::Create(options_, store_.get(), &runner_, &metrics_).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("max_running")));
  }
}

TEST_F(JobSchedulerTest, QueuedJobIsCancelledAtOnceAndNeverRuns) {
  Submit();
  auto run = runner_.NextRun();
  const std::string id = Submit();
  const auto job = scheduler_->Cancel(id);
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(job->state(), v1::Job::STATE_CANCELLED);
  EXPECT_FALSE(scheduler_->IsActive(id));
  EXPECT_THAT(StatesTold(id), ElementsAre("QUEUED", "CANCELLED"));
  run->End(Published(1));
  Close();
  EXPECT_THAT(runner_.counts(), SizeIs(1));
}

TEST_F(JobSchedulerTest, RunningJobIsCancelledWhenItsRunHeeds) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  ASSERT_THAT(scheduler_->Cancel(id), IsOk());
  EXPECT_EQ(WaitForEnd(id, v1::Job::STATE_CANCELLED).reason(), "cancelled");
  EXPECT_THAT(StatesTold(id), ElementsAre("QUEUED", "RUNNING", "CANCELLED"));
}

TEST_F(JobSchedulerTest, RunThatPublishedBeforeItHeededIsSucceeded) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  run->Do([&](const JobObserver&) {
    EXPECT_THAT(scheduler_->Cancel(id), IsOk());
    run->End(Published(1));
  });
  EXPECT_EQ(WaitForEnd(id, v1::Job::STATE_SUCCEEDED).published_version(), 1);
}

TEST_F(JobSchedulerTest, EndedAndUnknownJobsCannotBeCancelled) {
  const std::string id = Submit();
  runner_.NextRun()->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  const absl::Status status = scheduler_->Cancel(id).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("STATE_SUCCEEDED")));
  EXPECT_THAT(scheduler_->Cancel("x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(JobSchedulerTest, ProgressBetweenEventsIsAveragedIntoTheNext) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  run->Progress(ProgressOf(1, 1, 8));
  now_ms_ += 100;
  run->Progress(ProgressOf(1, 2, 2));
  now_ms_ += 149;
  run->Progress(ProgressOf(1, 3, 3));
  const int64_t before = (*store_->Events(id))->last_event();
  now_ms_ += 1;
  run->Progress(ProgressOf(1, 4, 4));
  EXPECT_EQ((*store_->Events(id))->last_event(), before + 1);
  const v1::Job job = *store_->Get(id);
  EXPECT_EQ(job.progress().step(), 4u);
  EXPECT_EQ(job.progress().losses(0).value(), 3);
  const std::string metrics = metrics_.Text();
  EXPECT_THAT(metrics, HasSubstr("s2p_train_images_total 192"));
  EXPECT_THAT(metrics, HasSubstr("s2p_train_step_seconds_count 3"));
  EXPECT_THAT(metrics, HasSubstr("s2p_train_loss{term=\"total\"} 3"));
}

TEST_F(JobSchedulerTest, EpochIsKeptWithItsEvaluations) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  run->Do([](const JobObserver& observer) {
    v1::TrainingProgress progress = ProgressOf(2, 9, 1);
    progress.set_rank1(0.25);
    progress.set_mean_average_precision(0.5);
    progress.set_photo_to_sketch_rank1(0.75);
    progress.set_photo_to_sketch_mean_average_precision(0.875);
    v1::Evaluation evaluation;
    evaluation.set_rank1(0.25);
    observer.on_epoch(progress, {evaluation});
    observer.on_message("evaluated");
  });
  now_ms_ += 1000;
  run->Progress(ProgressOf(3, 1, 1));
  const v1::JobFile file = *ReadJobFile(store_->FolderOf(id), id);
  EXPECT_EQ(file.job().progress().epoch(), 2u);
  EXPECT_EQ(file.job().evaluations(0).rank1(), 0.25);
  // A measured value is shown until the next measurement.
  EXPECT_EQ(store_->Get(id)->progress().rank1(), 0.25);
  EXPECT_EQ(store_->Get(id)->progress().photo_to_sketch_rank1(), 0.75);
  EXPECT_EQ(store_->Get(id)->progress().photo_to_sketch_mean_average_precision(), 0.875);
  EXPECT_THAT(metrics_.Text(), HasSubstr("s2p_train_map 0.5"));
}

TEST_F(JobSchedulerTest, RunKnowsTheVersionsThatJobsNeed) {
  Submit();
  auto run = runner_.NextRun();
  v1::TrainingSpec spec;
  spec.set_initial_version(5);
  ASSERT_THAT(scheduler_->Submit(spec), IsOk());
  run->Do(
      [](const JobObserver& observer) { EXPECT_THAT(observer.needed_versions(), ElementsAre(5)); });
}

TEST_F(JobSchedulerTest, EventsThatCannotBeWrittenStopNoTraining) {
  v1::TrainingSpec spec;
  const auto job = store_->Create(spec, spec);
  // A folder in place of the file simulates a failing disk.
  std::filesystem::create_directory(store_->FolderOf(job->job_id()) + "/events.jsonl");
  Close();
  Open();
  auto run = runner_.NextRun();
  run->Progress(ProgressOf(1, 1, 1));
  run->End(Published(2));
  WaitForEnd(job->job_id(), v1::Job::STATE_SUCCEEDED);
}

TEST_F(JobSchedulerTest, DigestsAreThoseOfTheDataAtItsBegin) {
  std::filesystem::create_directory(dir_.File("set"));
  std::ofstream(dir_.File("set/dataset.jsonl")) << "abc";
  v1::TrainingSpec spec;
  spec.set_target_dataset(dir_.File("set"));
  const auto job = scheduler_->Submit(spec);
  ASSERT_THAT(job, IsOk());
  runner_.NextRun();
  const auto file = store_->GetFile(job->job_id());
  EXPECT_EQ((*file)->target_dataset_sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ((*file)->source_dataset_sha256(), "");
}

}  // namespace
}  // namespace s2p::test
