// Jobs that failed or were cancelled, queued again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/jobs/job_fixture.h"
#include "trainer/jobs/job_file.h"
#include "trainer/jobs/job_watch.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RetriedJobTest : public JobFixture {
 protected:
  // Starts again, keeping the states of this many ended jobs.
  void KeepStates(size_t most) {
    Close();
    options_.most_kept_states = most;
    Open();
  }
  // Runs a job that starts from this version and fails.
  void FailFrom(int64_t version, bool leaves_state = false) {
    v1::TrainingSpec spec;
    spec.set_initial_version(version);
    const auto job = scheduler_->Submit(spec);
    ASSERT_THAT(job, IsOk());
    now_ms_ += 1000;
    const auto run = runner_.NextRun();
    if (leaves_state) std::ofstream(State(job->job_id())) << "state";
    run->End(absl::InternalError("no luck"));
    WaitForEnd(job->job_id(), v1::Job::STATE_FAILED);
  }
  // The versions that a running job is told to keep.
  std::vector<int64_t> NeededVersions() {
    Submit();
    std::vector<int64_t> versions;
    runner_.NextRun()->Do(
        [&](const JobObserver& observer) { versions = observer.needed_versions(); });
    return versions;
  }
  // Leaves a state, as a run that has trained an epoch does.
  std::string RunAndCancel(const std::string& name = "") {
    const std::string id = Submit(name);
    runner_.NextRun();
    std::ofstream(State(id)) << "state";
    run_ends_ms_ += 1000;
    now_ms_ = run_ends_ms_;
    EXPECT_THAT(scheduler_->Cancel(id), IsOk());
    WaitForEnd(id, v1::Job::STATE_CANCELLED);
    return id;
  }
  std::string State(const std::string& id) {
    return FakeJobRunner::StateFile(store_->FolderOf(id));
  }
  bool HasState(const std::string& id) { return std::filesystem::exists(State(id)); }

  int64_t run_ends_ms_ = 1'000'000;
};

TEST_F(RetriedJobTest, RunsAgainWithItsStateAndTellsSo) {
  const std::string id = RunAndCancel("a");
  const auto job = scheduler_->Retry(id);
  ASSERT_THAT(job, IsOk());
  EXPECT_FALSE(job->has_ended_at());
  EXPECT_EQ(job->reason(), "");
  auto run = runner_.NextRun();
  EXPECT_EQ(run->job().spec().name(), "a");
  EXPECT_TRUE(HasState(id));
  run->End(Published(4));
  EXPECT_EQ(WaitForEnd(id, v1::Job::STATE_SUCCEEDED).published_version(), 4);
  EXPECT_THAT(StatesTold(id),
              ElementsAre("QUEUED", "RUNNING", "CANCELLED", "QUEUED", "RUNNING", "SUCCEEDED"));
}

TEST_F(RetriedJobTest, OutlivesACrash) {
  const std::string id = RunAndCancel();
  Submit("occupies the trainer");
  runner_.NextRun();
  ASSERT_THAT(scheduler_->Retry(id), IsOk());
  EXPECT_EQ(ReadJobFile(store_->FolderOf(id), id)->job().state(), v1::Job::STATE_QUEUED);
  EXPECT_FALSE(ReadJobFile(store_->FolderOf(id), id)->cancel_requested());
}

TEST_F(RetriedJobTest, QueuedRunningAndSucceededJobsAreNotRetried) {
  const std::string running = Submit(), queued = Submit();
  auto run = runner_.NextRun();
  EXPECT_THAT(scheduler_->Retry(queued),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is STATE_QUEUED")));
  EXPECT_THAT(scheduler_->Retry(running),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is STATE_RUNNING")));
  run->End(Published(1));
  WaitForEnd(running, v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(scheduler_->Retry(running), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(scheduler_->Retry("x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RetriedJobTest, JobThatCouldNotBeginIsRefusedAndStaysAsItIs) {
  const std::string id = RunAndCancel();
  runner_.RefuseRetries(absl::NotFoundError("initial_version: version 3 is not in the store"));
  EXPECT_THAT(scheduler_->Retry(id),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("job_id: " + id +
                                 " cannot be retried: initial_version: version "
                                 "3 is not in the store")));
  EXPECT_EQ(StateOf(id), v1::Job::STATE_CANCELLED);
  EXPECT_FALSE(scheduler_->IsActive(id));
}

TEST_F(RetriedJobTest, VersionsThatTheJobsThatEndedLastStartFromAreNeeded) {
  KeepStates(2);
  for (const int64_t version : {5, 6, 7}) FailFrom(version);
  EXPECT_THAT(NeededVersions(), ElementsAre(6, 7));
}

// Later failures without a state of their own do not push it out.
TEST_F(RetriedJobTest, VersionOfAJobWhoseStateIsKeptIsNeeded) {
  KeepStates(1);
  FailFrom(5, /*leaves_state=*/true);
  for (const int64_t version : {6, 7}) FailFrom(version);
  EXPECT_THAT(NeededVersions(), testing::UnorderedElementsAre(5, 7));
}

TEST_F(RetriedJobTest, OfManyAtOnceOneIsTaken) {
  const std::string id = RunAndCancel();
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { taken += scheduler_->Retry(id).ok() ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken.load(), 1);
  runner_.NextRun()->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(runner_.counts()[id], 2);
}

TEST_F(RetriedJobTest, TrainersDeathsBeforeItAreForgiven) {
  const std::string id = RunAndCancel();
  ASSERT_THAT(store_->Update(id, [](v1::JobFile& file) { file.set_unfinished_starts(9); }), IsOk());
  ASSERT_THAT(scheduler_->Retry(id), IsOk());
  EXPECT_EQ(runner_.NextRun()->job().job_id(), id);
}

TEST_F(RetriedJobTest, StateOfASucceededJobIsRemoved) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  std::ofstream(State(id)) << "state";
  run->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_FALSE(HasState(id));
}

TEST_F(RetriedJobTest, StatesOfTheJobsThatEndedLastAreKept) {
  KeepStates(2);
  const std::string a = RunAndCancel(), b = RunAndCancel(), c = RunAndCancel();
  EXPECT_FALSE(HasState(a));
  EXPECT_TRUE(HasState(b));
  EXPECT_TRUE(HasState(c));
  EXPECT_THAT(scheduler_->Retry(a), IsOk()) << "starts from the beginning";
}

TEST_F(RetriedJobTest, StatesOfAnOlderProgramsJobsAreBounded) {
  const std::string a = RunAndCancel(), b = RunAndCancel(), c = RunAndCancel();
  KeepStates(1);
  EXPECT_FALSE(HasState(a));
  EXPECT_FALSE(HasState(b));
  EXPECT_TRUE(HasState(c));
}

// Jobs that ended long ago.
class OldJobTest : public RetriedJobTest {
 protected:
  void KeepFilesOf(size_t jobs) {
    Close();
    options_.most_kept_files = jobs;
    Open();
  }
  // Leaves a picture, as a run does.
  std::string RunToItsEnd() {
    const std::string id = Submit();
    auto run = runner_.NextRun();
    JobOutcome outcome = Published(1);
    outcome.learning_curve_file = store_->FolderOf(id) + "/curve.png";
    std::ofstream(outcome.learning_curve_file) << "picture";
    run_ends_ms_ += 1000;
    now_ms_ = run_ends_ms_;
    run->End(outcome);
    WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
    return id;
  }
  std::vector<std::string> Files(const std::string& id) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(store_->FolderOf(id))) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(OldJobTest, FilesOfTheJobsThatEndedLastAreKept) {
  KeepFilesOf(2);
  const std::string a = RunToItsEnd(), b = RunToItsEnd(), c = RunToItsEnd(), d = RunToItsEnd();
  for (const std::string& old : {a, b}) {
    EXPECT_THAT(Files(old), ElementsAre("job.json"));
    EXPECT_EQ(store_->Get(old)->learning_curve_file(), "");
  }
  for (const std::string& kept : {c, d}) {
    EXPECT_THAT(Files(kept), ElementsAre("curve.png", "events.jsonl", "job.json"));
  }
}

TEST_F(OldJobTest, JobWithoutFilesIsStillKnownAndCanBeWatched) {
  KeepFilesOf(1);
  const std::string old = RunToItsEnd();
  RunToItsEnd();
  Close();
  Open();
  EXPECT_EQ(store_->Get(old)->published_version(), 1);
  JobWatch watch(
      store_.get(), [](const std::string&) { return false; }, old, 1, absl::Seconds(1));
  const auto step = watch.Next(SteadyTime());
  ASSERT_THAT(step, IsOk());
  ASSERT_TRUE(step->response.has_value());
  EXPECT_EQ(step->response->state(), v1::Job::STATE_SUCCEEDED);
}

TEST_F(OldJobTest, FilesOfAnOlderProgramsJobsAreBounded) {
  const std::string a = RunToItsEnd(), b = RunToItsEnd(), c = RunToItsEnd();
  KeepFilesOf(1);
  EXPECT_THAT(Files(a), ElementsAre("job.json"));
  EXPECT_THAT(Files(b), ElementsAre("job.json"));
  EXPECT_THAT(Files(c), ElementsAre("curve.png", "events.jsonl", "job.json"));
}

TEST_F(OldJobTest, JobWithAStateToResumeFromKeepsItsFiles) {
  KeepFilesOf(1);
  const std::string cancelled = RunAndCancel(), old = RunToItsEnd();
  RunToItsEnd();
  EXPECT_THAT(Files(cancelled), ElementsAre("events.jsonl", "job.json", "resume"));
  EXPECT_THAT(Files(old), ElementsAre("job.json"));
}

TEST_F(OldJobTest, JobThatRunsAgainHasFilesAgain) {
  KeepFilesOf(1);
  const std::string id = RunAndCancel();
  std::filesystem::remove(State(id));
  RunToItsEnd();
  EXPECT_THAT(Files(id), ElementsAre("job.json"));
  ASSERT_THAT(scheduler_->Retry(id), IsOk());
  run_ends_ms_ += 1000;
  now_ms_ = run_ends_ms_;
  runner_.NextRun()->End(Published(2));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(Files(id), ElementsAre("events.jsonl", "job.json"));
}

TEST(JobSchedulerOptionsTest, AThousandEndedJobsKeepTheirFiles) {
  EXPECT_EQ(JobSchedulerOptions().most_kept_files, 1000u);
}

}  // namespace
}  // namespace s2p::test
