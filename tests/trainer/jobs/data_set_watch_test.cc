#include "trainer/jobs/data_set_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/jobs/job_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class DataSetWatchTest : public JobFixture {
 protected:
  DataSetWatchTest() {
    std::filesystem::create_directories(dir_.File("source"));
    std::filesystem::create_directories(dir_.File("target"));
    SetData("source", "s1");
    SetData("target", "t1");
    Restart();
  }
  void SetData(const std::string& name, const std::string& lines) {
    std::ofstream(dir_.File(name + "/dataset.jsonl")) << lines;
  }
  void Restart() {
    Close();
    Open();
    watch_ = std::make_unique<DataSetWatch>(store_.get(), scheduler_.get());
  }
  v1::TrainingSpec Spec() const {
    v1::TrainingSpec spec;
    spec.set_source_dataset(dir_.File("source"));
    spec.set_target_dataset(dir_.File("target"));
    spec.set_initial_weights("imagenet.safetensors");
    spec.set_watch(true);
    return spec;
  }
  // Runs a job that ends with `outcome`.
  std::string Train(const absl::StatusOr<JobOutcome>& outcome) {
    const auto job = scheduler_->Submit(Spec());
    EXPECT_THAT(job, IsOk());
    End(job->job_id(), outcome);
    return job->job_id();
  }
  void End(const std::string& id, const absl::StatusOr<JobOutcome>& outcome) {
    auto run = runner_.NextRun();
    ASSERT_EQ(run->job().job_id(), id);
    run->End(outcome);
    WaitForEnd(id, outcome.ok() ? v1::Job::STATE_SUCCEEDED : v1::Job::STATE_FAILED);
  }
  // The one job that two checks lead to.
  std::string Follower() {
    EXPECT_THAT(watch_->Poll(), IsEmpty());
    const auto ids = watch_->Poll();
    EXPECT_THAT(ids, SizeIs(1));
    return ids.empty() ? "" : ids[0];
  }
  void ExpectNothing() {
    for (int i = 0; i < 3; ++i) EXPECT_THAT(watch_->Poll(), IsEmpty());
  }
  std::unique_ptr<DataSetWatch> watch_;
};

TEST_F(DataSetWatchTest, UnchangedDataAreNotTrainedOnAgain) {
  Train(Published(1));
  ExpectNothing();
  // The same content, rewritten.
  SetData("target", "t1");
  ExpectNothing();
}

TEST_F(DataSetWatchTest, ChangeThatHasSettledIsTrainedOnFromTheLastVersion) {
  const std::string first = Train(Published(4));
  SetData("target", "t2");
  const std::string id = Follower();
  const auto file = store_->GetFile(id);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->lineage(), first);
  const v1::TrainingSpec& spec = (*file)->job().spec();
  EXPECT_EQ(spec.initial_version(), 4);
  EXPECT_EQ(spec.target_dataset(), Spec().target_dataset());
  EXPECT_TRUE(spec.watch());
}

TEST_F(DataSetWatchTest, FilesThatStayAreNotReadAtEveryLook) {
  Train(Published(1));
  for (const char* name : {"source", "target"}) {
    std::filesystem::last_write_time(
        dir_.File(std::string(name) + "/dataset.jsonl"),
        std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  }
  ExpectNothing();
  EXPECT_EQ(watch_->files_read(), 2);
}

TEST_F(DataSetWatchTest, SourceIsWatchedToo) {
  Train(Published(1));
  SetData("source", "s2");
  EXPECT_NE(Follower(), "");
}

TEST_F(DataSetWatchTest, DataThatStillChangeAreWaitedFor) {
  Train(Published(1));
  for (const char* lines : {"t2", "t3", "t4"}) {
    SetData("target", lines);
    EXPECT_THAT(watch_->Poll(), IsEmpty());
  }
  EXPECT_THAT(watch_->Poll(), SizeIs(1));
}

TEST_F(DataSetWatchTest, ChangeThatIsTakenBackIsNone) {
  Train(Published(1));
  SetData("target", "t2");
  EXPECT_THAT(watch_->Poll(), IsEmpty());
  SetData("target", "t1");
  EXPECT_THAT(watch_->Poll(), IsEmpty());
  SetData("target", "t2");
  EXPECT_THAT(watch_->Poll(), IsEmpty());
}

TEST_F(DataSetWatchTest, BurstOfChangesMakesOneJob) {
  Train(Published(1));
  SetData("target", "t2");
  const std::string id = Follower();
  ExpectNothing();
  // For the watch, it has not started yet, and it will read the data as they are when it does.
  auto run = runner_.NextRun();
  ExpectNothing();
  run->End(Published(2));
  WaitForEnd(id, v1::Job::STATE_SUCCEEDED);
  ExpectNothing();
}

TEST_F(DataSetWatchTest, ChangesDuringARunMakeOneMore) {
  const std::string first = Train(Published(1));
  SetData("target", "t2");
  const std::string second = Follower();
  auto run = runner_.NextRun();
  for (const char* lines : {"t3", "t4"}) {
    SetData("target", lines);
    ExpectNothing();
  }
  run->End(Published(2));
  WaitForEnd(second, v1::Job::STATE_SUCCEEDED);
  const std::string third = Follower();
  EXPECT_EQ((*store_->GetFile(third))->lineage(), first);
  EXPECT_EQ(store_->Get(third)->spec().initial_version(), 2);
}

TEST_F(DataSetWatchTest, VersionOfAnEarlierJobIsTheStartWhenTheLastPublishedNone) {
  Train(Published(3));
  SetData("target", "t2");
  End(Follower(), JobOutcome{});
  SetData("target", "t3");
  EXPECT_EQ(store_->Get(Follower())->spec().initial_version(), 3);
}

TEST_F(DataSetWatchTest, NothingPublishedYetStartsAsTheSpecSays) {
  Train(JobOutcome{});
  SetData("target", "t2");
  EXPECT_EQ(store_->Get(Follower())->spec().initial_weights(), "imagenet.safetensors");
}

TEST_F(DataSetWatchTest, ChangesBetweenTwoProcessesAreSeen) {
  Train(Published(1));
  SetData("target", "t2");
  Restart();
  EXPECT_NE(Follower(), "");
}

TEST_F(DataSetWatchTest, RestartBesideAFollowerMakesNoSecond) {
  Train(Published(1));
  SetData("target", "t2");
  Follower();
  runner_.NextRun();
  Restart();
  ExpectNothing();
}

TEST_F(DataSetWatchTest, JobThatFailedIsNotRepeatedOnTheSameData) {
  Train(Published(1));
  SetData("target", "t2");
  End(Follower(), absl::FailedPreconditionError("one identity only"));
  ExpectNothing();
  SetData("target", "t3");
  EXPECT_NE(Follower(), "");
}

TEST_F(DataSetWatchTest, LineageThatNeverSucceededIsNotWatched) {
  Train(absl::FailedPreconditionError("one identity only"));
  SetData("target", "t2");
  ExpectNothing();
}

TEST_F(DataSetWatchTest, CancelledJobEndsTheWatch) {
  Train(Published(1));
  SetData("target", "t2");
  const std::string id = Follower();
  runner_.NextRun();
  ASSERT_THAT(scheduler_->Cancel(id), IsOk());
  WaitForEnd(id, v1::Job::STATE_CANCELLED);
  SetData("target", "t3");
  ExpectNothing();
}

TEST_F(DataSetWatchTest, DataThatAreRefusedAreTrainedOnWhenTheirImagesHaveArrived) {
  Train(Published(1));
  SetData("target", "t2");
  runner_.RefuseSpecs(absl::InvalidArgumentError("target_dataset: there is no file 7.png"));
  ExpectNothing();
  ExpectNothing();
  runner_.RefuseSpecs(absl::OkStatus());
  EXPECT_THAT(watch_->Poll(), SizeIs(1));
}

TEST_F(DataSetWatchTest, RetriedJobThatPublishedLastIsWhatTheNextOneStartsFrom) {
  Train(Published(1));
  SetData("target", "t2");
  const std::string failed = Follower();
  End(failed, absl::InternalError("x"));
  SetData("target", "t3");
  End(Follower(), Published(2));
  ASSERT_THAT(scheduler_->Retry(failed), IsOk());
  End(failed, Published(3));
  EXPECT_THAT(store_->NeededVersions(0), ElementsAre(3));
  SetData("target", "t4");
  const std::string next = Follower();
  EXPECT_EQ(store_->Get(next)->spec().initial_version(), 3);
}

TEST_F(DataSetWatchTest, RoundsOfAllFollowersLeadBackToTheFirstJob) {
  const auto round = [](int64_t version, uint32_t pairs) {
    JobOutcome outcome = Published(version);
    outcome.round.emplace().set_pairs(pairs);
    return outcome;
  };
  const std::string first = Train(round(1, 10));
  SetData("target", "t2");
  End(Follower(), round(2, 20));
  SetData("target", "t3");
  const std::string third = Follower();
  End(third, round(3, 30));
  EXPECT_EQ((*store_->GetFile(third))->lineage(), first);
  for (const std::string& id : {first, third}) {
    std::vector<uint32_t> pairs;
    const auto job = store_->GetWithRounds(id);
    ASSERT_THAT(job, IsOk());
    for (const v1::TrainingRound& of_job : job->rounds()) pairs.push_back(of_job.pairs());
    EXPECT_THAT(pairs, ElementsAre(10u, 20u, 30u)) << id;
  }
}

TEST_F(DataSetWatchTest, MissingFileIsWaitedFor) {
  Train(Published(1));
  std::filesystem::remove(dir_.File("target/dataset.jsonl"));
  ExpectNothing();
  SetData("target", "t2");
  EXPECT_NE(Follower(), "");
}

TEST_F(DataSetWatchTest, PairsThatComeAndGoAreChanges) {
  v1::TrainingSpec spec = Spec();
  spec.set_pairs_dataset(dir_.File("pairs"));
  End(scheduler_->Submit(spec)->job_id(), Published(1));
  ExpectNothing();
  std::filesystem::create_directories(dir_.File("pairs"));
  ExpectNothing();
  SetData("pairs", "p1");
  End(Follower(), Published(2));
  ExpectNothing();
  // The last one is forgotten.
  std::filesystem::remove(dir_.File("pairs/dataset.jsonl"));
  End(Follower(), Published(3));
  ExpectNothing();
}

TEST_F(DataSetWatchTest, JobThatIsAskedToStartsAsTheFirstOneDid) {
  v1::TrainingSpec spec = Spec();
  spec.set_watch_afresh(true);
  End(scheduler_->Submit(spec)->job_id(), Published(4));
  SetData("target", "t2");
  const auto follower = store_->Get(Follower());
  ASSERT_THAT(follower, IsOk());
  EXPECT_FALSE(follower->spec().has_initial_version());
  EXPECT_EQ(follower->spec().initial_weights(), "imagenet.safetensors");
}

TEST_F(DataSetWatchTest, SpecWithoutWatchIsLeftAlone) {
  v1::TrainingSpec spec = Spec();
  spec.set_watch(false);
  End(scheduler_->Submit(spec)->job_id(), Published(1));
  SetData("target", "t2");
  ExpectNothing();
}

}  // namespace
}  // namespace s2p::test
