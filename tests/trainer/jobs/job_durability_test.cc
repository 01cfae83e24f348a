// The jobs that remain after crashes, restarts, full disks and races.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/jobs/job_fixture.h"
#include "trainer/jobs/job_file.h"
#include "trainer/jobs/unfinished_starts.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::SizeIs;

class JobDurabilityTest : public JobFixture {};

TEST_F(JobDurabilityTest, CancelOfARunningJobOutlivesACrash) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  run->Do([&](const JobObserver&) { EXPECT_THAT(scheduler_->Cancel(id), IsOk()); });
  WaitForEnd(id, v1::Job::STATE_CANCELLED);
  // As if the process had died before the run reacted.
  ASSERT_THAT(store_->Update(
                  id, [](v1::JobFile& f) { f.mutable_job()->set_state(v1::Job::STATE_RUNNING); }),
              IsOk());
  Close();
  Open();
  WaitForEnd(id, v1::Job::STATE_CANCELLED);
  EXPECT_THAT(runner_.counts(), ElementsAre(Pair(id, 1)));
}

TEST_F(JobDurabilityTest, FullDiskPausesAndTheJobKeepsItsPlace) {
  const std::string id = Submit();
  Submit();
  runner_.NextRun()->End(absl::ResourceExhaustedError("/state: no space"));
  EXPECT_EQ(WaitFor(id, v1::Job::STATE_PAUSED).reason(), "/state: no space");
  scheduler_->RetryPaused();
  auto again = runner_.NextRun();
  EXPECT_EQ(again->job().job_id(), id);
  EXPECT_EQ(StateOf(id), v1::Job::STATE_RUNNING);
  EXPECT_EQ(store_->Get(id)->reason(), "");
  again->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(StatesTold(id), ElementsAre("QUEUED", "RUNNING", "PAUSED", "RUNNING", "SUCCEEDED"));
}

TEST_F(JobDurabilityTest, PausedJobIsTriedAgainByItself) {
  Close();
  options_.retry_pause = absl::ZeroDuration();
  Open();
  const std::string id = Submit();
  runner_.NextRun()->End(absl::ResourceExhaustedError("full"));
  runner_.NextRun()->End(absl::ResourceExhaustedError("full"));
  runner_.NextRun()->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
}

TEST_F(JobDurabilityTest, PausedJobCanBeCancelled) {
  const std::string id = Submit();
  runner_.NextRun()->End(absl::ResourceExhaustedError("full"));
  WaitFor(id, v1::Job::STATE_PAUSED);
  ASSERT_THAT(scheduler_->Cancel(id), IsOk());
  WaitForEnd(id, v1::Job::STATE_CANCELLED);
}

TEST_F(JobDurabilityTest, RestartGoesOnWithTheRunningJobBeforeTheOthers) {
  const std::string a = Submit("a"), b = Submit("b");
  runner_.NextRun();
  Close();
  Open();
  auto run = runner_.NextRun();
  EXPECT_EQ(run->job().job_id(), a);
  EXPECT_EQ(StateOf(b), v1::Job::STATE_QUEUED);
  EXPECT_EQ(run->job().started_at().seconds(), 1000);
  run->End(Published(1));
  EXPECT_EQ(runner_.NextRun()->job().job_id(), b);
  WaitFor(a, v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(StatesTold(a), ElementsAre("QUEUED", "RUNNING", "QUEUED", "RUNNING", "SUCCEEDED"));
}

TEST_F(JobDurabilityTest, RestartGoesOnWithThePausedJobBeforeTheOthers) {
  const std::string a = Submit(), b = Submit();
  runner_.NextRun()->End(absl::ResourceExhaustedError("full"));
  WaitFor(a, v1::Job::STATE_PAUSED);
  Close();
  Open();
  EXPECT_EQ(runner_.NextRun()->job().job_id(), a);
}

TEST_F(JobDurabilityTest, StopLeavesTheRunningJobRunningOnDisk) {
  const std::string id = Submit();
  runner_.NextRun();
  scheduler_->Stop();
  EXPECT_EQ(ReadJobFile(store_->FolderOf(id), id)->job().state(), v1::Job::STATE_RUNNING);
  EXPECT_THAT(scheduler_->Submit({}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(JobDurabilityTest, EndIsShownOnlyWhenItIsKept) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  // A folder in place of the temporary file simulates a failing disk.
  std::filesystem::create_directory(store_->FolderOf(id) + "/.job.json.tmp");
  run->End(absl::ResourceExhaustedError("full"));
  WaitFor(id, v1::Job::STATE_PAUSED);
  EXPECT_EQ(ReadJobFile(store_->FolderOf(id), id)->job().state(), v1::Job::STATE_RUNNING);
  std::filesystem::remove(store_->FolderOf(id) + "/.job.json.tmp");
  scheduler_->RetryPaused();
  runner_.NextRun()->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(ReadJobFile(store_->FolderOf(id), id)->job().state(), v1::Job::STATE_SUCCEEDED);
}

TEST_F(JobDurabilityTest, StateStaysUntilTheEndOfItsJobIsKept) {
  const std::string id = Submit();
  auto run = runner_.NextRun();
  const std::string folder = store_->FolderOf(id), state = FakeJobRunner::StateFile(folder);
  std::ofstream(state) << "x";
  std::filesystem::create_directory(folder + "/.job.json.tmp");
  run->End(Published(0));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_TRUE(std::filesystem::exists(state));
  Close();
  std::filesystem::remove(folder + "/.job.json.tmp");
  Open();
  // It runs again, from its state.
  auto again = runner_.NextRun();
  EXPECT_TRUE(std::filesystem::exists(state));
  again->End(Published(0));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  EXPECT_FALSE(std::filesystem::exists(state));
}

TEST_F(JobDurabilityTest, TwoHundredJobsOfFourThreadsRunOnceEach) {
  runner_.EndAtOnceWith(Published(1));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int j = 0; j < 50; ++j) Submit();
    });
  }
  for (std::thread& thread : threads) thread.join();
  runner_.WaitForEnds(200);
  Close();
  Open();
  EXPECT_THAT(store_->Counts(), ElementsAre(Pair(v1::Job::STATE_SUCCEEDED, 200)));
  EXPECT_THAT(runner_.counts(), SizeIs(200));
  EXPECT_THAT(runner_.counts(), Each(Pair(testing::_, 1)));
}

TEST_F(JobDurabilityTest, CancelsThatRaceWithStartsAndEndsLeaveOneEnd) {
  runner_.EndAtOnceWith(Published(1));
  for (int i = 0; i < 50; ++i) {
    const std::string id = Submit();
    std::vector<absl::Status> answers(2);
    std::thread other([&] { answers[0] = scheduler_->Cancel(id).status(); });
    answers[1] = scheduler_->Cancel(id).status();
    other.join();
    const auto has_ended = [&] { return HasEnded(StateOf(id)) && !scheduler_->IsActive(id); };
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(&has_ended));
    }
    const v1::Job::State state = StateOf(id);
    EXPECT_TRUE(state == v1::Job::STATE_SUCCEEDED || state == v1::Job::STATE_CANCELLED);
    for (const absl::Status& answer : answers) {
      EXPECT_TRUE(answer.ok() || absl::IsFailedPrecondition(answer)) << answer;
    }
    EXPECT_EQ(StatesTold(id).back(), v1::Job::State_Name(state).substr(6));
    EXPECT_LE(runner_.counts()[id], 1);
  }
}

class JobCrashLoopTest : public JobFixture {
 protected:
  // The process dies: what is on the disk now is what the next one finds.
  void Crash() {
    const std::string image = elsewhere_.File("image");
    std::filesystem::copy(dir_.path(), image, std::filesystem::copy_options::recursive);
    Close();
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) {
      std::filesystem::remove_all(entry.path());
    }
    std::filesystem::copy(image, dir_.path(), std::filesystem::copy_options::recursive);
    std::filesystem::remove_all(image);
    Open();
  }

  // The next run, or the present one, ends an epoch.
  void EndEpoch(uint32_t epoch) {
    run_ = runner_.NextRun();
    EndAnotherEpoch(epoch);
  }
  void EndAnotherEpoch(uint32_t epoch) {
    run_->Do([&](const JobObserver& observer) { observer.on_epoch(ProgressOf(epoch, 1), {}); });
  }

  TempDir elsewhere_;
  std::shared_ptr<FakeRun> run_;
};

TEST_F(JobCrashLoopTest, JobDuringWhichTheTrainerDiesAgainAndAgainIsFailedAndTheNextOneRuns) {
  const std::string deadly = Submit("deadly"), next = Submit("next");
  for (uint32_t i = 0; i < kMostUnfinishedStarts; ++i) {
    EXPECT_EQ(runner_.NextRun()->job().job_id(), deadly);
    Crash();
  }
  EXPECT_THAT(WaitForEnd(deadly, v1::Job::STATE_FAILED).reason(),
              HasSubstr("the trainer has died 3 times while it ran this job, before the job had a "
                        "whole epoch"));
  EXPECT_EQ(runner_.NextRun()->job().job_id(), next);
}

TEST_F(JobCrashLoopTest, JobThatFinishesAnEpochBetweenCrashesIsContinued) {
  const std::string id = Submit();
  for (uint32_t epoch = 1; epoch <= 2 * kMostUnfinishedStarts; ++epoch) {
    EndEpoch(epoch);
    Crash();
  }
  EXPECT_EQ(runner_.NextRun()->job().job_id(), id);
}

TEST_F(JobCrashLoopTest, EpochsThatAreTrainedAgainAndAgainDoNotKeepTheJobAlive) {
  const std::string id = Submit();
  EndEpoch(1);
  EndAnotherEpoch(2);
  for (uint32_t i = 0; i <= kMostUnfinishedStarts; ++i) {
    Crash();
    // Its state is lost each time.
    if (i < kMostUnfinishedStarts) EndEpoch(1);
  }
  EXPECT_THAT(WaitForEnd(id, v1::Job::STATE_FAILED).reason(),
              HasSubstr("and the job came no further than step 2, epoch 2"));
}

TEST_F(JobCrashLoopTest, EpochsCountAnewWhenTheDataHaveChanged) {
  std::filesystem::create_directory(elsewhere_.File("set"));
  const auto change = [this](const std::string& lines) {
    std::ofstream(elsewhere_.File("set/dataset.jsonl")) << lines;
  };
  change("1");
  v1::TrainingSpec spec;
  spec.set_target_dataset(elsewhere_.File("set"));
  const std::string id = scheduler_->Submit(spec)->job_id();
  EndEpoch(5);
  Crash();
  runner_.NextRun();
  change("2");
  Crash();
  EndEpoch(1);
  EXPECT_EQ((*store_->GetFile(id))->unfinished_starts(), 0u);
}

TEST_F(JobCrashLoopTest, EpochsCountAnewWhenTheRunStartsOver) {
  const std::string id = Submit();
  EndEpoch(5);
  Crash();
  const auto run = runner_.NextRun();
  run->Do([](const JobObserver& observer) { observer.on_start_over(); });
  EXPECT_EQ((*store_->GetFile(id))->furthest_epoch(), 0u);
  Crash();
  EndEpoch(1);
  EXPECT_EQ((*store_->GetFile(id))->unfinished_starts(), 0u);
}

TEST_F(JobCrashLoopTest, OrderlyEndsOfTheTrainerAreNotCounted) {
  const std::string id = Submit();
  for (uint32_t i = 0; i <= kMostUnfinishedStarts; ++i) {
    EXPECT_EQ(runner_.NextRun()->job().job_id(), id);
    Close();
    Open();
  }
  EXPECT_EQ(runner_.NextRun()->job().job_id(), id);
}

TEST_F(JobCrashLoopTest, OrderlyEndsOfTheTrainerForgiveNoDeath) {
  const std::string id = Submit();
  for (uint32_t i = 0; i < kMostUnfinishedStarts; ++i) {
    runner_.NextRun();
    Crash();
    if (i + 1 == kMostUnfinishedStarts) break;
    runner_.NextRun();
    Close();
    Open();
  }
  WaitForEnd(id, v1::Job::STATE_FAILED);
}

class JobProcessDeathTest : public JobFixture {
 protected:
  void Die(const std::shared_ptr<FakeRun>& run) {
    run->End(absl::AbortedError("the job's process was killed by signal 11 (SIGSEGV)"));
  }
};

TEST_F(JobProcessDeathTest, JobIsStartedAgainAndFailsAtLastWithTheSignal) {
  const std::string deadly = Submit("deadly"), next = Submit("next");
  for (uint32_t i = 0; i < kMostUnfinishedStarts; ++i) {
    auto run = runner_.NextRun();
    EXPECT_EQ(run->job().job_id(), deadly);
    Die(run);
  }
  EXPECT_THAT(WaitForEnd(deadly, v1::Job::STATE_FAILED).reason(),
              AllOf(HasSubstr("the trainer has died 3 times while it ran this job"),
                    HasSubstr("the last time, the job's process was killed by signal 11")));
  EXPECT_EQ(runner_.NextRun()->job().job_id(), next);
}

TEST_F(JobProcessDeathTest, JobThatComesFurtherEachTimeIsContinued) {
  const std::string id = Submit();
  for (uint32_t epoch = 1; epoch <= 2 * kMostUnfinishedStarts; ++epoch) {
    auto run = runner_.NextRun();
    run->Do([&](const JobObserver& observer) { observer.on_epoch(ProgressOf(epoch, 1), {}); });
    Die(run);
  }
  runner_.NextRun()->End(Published(1));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
}

class FullDiskTest : public JobFixture {
 protected:
  // Starts a run, which then asks to wait until its answer is taken.
  void StartWaiting() {
    id_ = Submit();
    run_ = runner_.NextRun();
    waiting_ = std::thread([this] {
      run_->Do([this](const JobObserver& observer) {
        answer_ = observer.wait_for_room(absl::ResourceExhaustedError("/state: no space"));
      });
    });
    WaitFor(id_, v1::Job::STATE_PAUSED);
  }
  bool Answer() {
    waiting_.join();
    return answer_;
  }

  std::string id_;
  std::shared_ptr<FakeRun> run_;
  std::thread waiting_;
  bool answer_ = false;
};

TEST_F(FullDiskTest, RunWaitsPausedAndContinuesWithoutBeingStartedAgain) {
  StartWaiting();
  EXPECT_EQ(store_->Get(id_)->reason(), "/state: no space");
  scheduler_->RetryPaused();
  EXPECT_TRUE(Answer());
  EXPECT_EQ(StateOf(id_), v1::Job::STATE_RUNNING);
  EXPECT_EQ(store_->Get(id_)->reason(), "");
  run_->End(Published(1));
  WaitForEnd(id_, v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(runner_.counts(), ElementsAre(Pair(id_, 1)));
  EXPECT_THAT(StatesTold(id_), ElementsAre("QUEUED", "RUNNING", "PAUSED", "RUNNING", "SUCCEEDED"));
}

TEST_F(FullDiskTest, WaitingRunIsCancelled) {
  StartWaiting();
  ASSERT_THAT(scheduler_->Cancel(id_), IsOk());
  EXPECT_FALSE(Answer());
  WaitForEnd(id_, v1::Job::STATE_CANCELLED);
}

TEST_F(FullDiskTest, WaitingRunDoesNotHoldUpTheEnd) {
  StartWaiting();
  scheduler_->RequestStop();
  EXPECT_FALSE(Answer());
  Close();
  Open();
  EXPECT_EQ(runner_.NextRun()->job().job_id(), id_);
}

}  // namespace
}  // namespace s2p::test
