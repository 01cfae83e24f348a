#include "trainer/jobs/job_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <tuple>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class JobStoreTest : public testing::Test {
 protected:
  JobStoreTest() { Reopen(); }
  void Reopen() {
    store_.reset();
    auto store = JobStore::Open(dir_.path());
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  std::string Create(const std::string& name = "") {
    v1::TrainingSpec spec;
    spec.set_name(name);
    const auto job = store_->Create(spec, spec);
    EXPECT_THAT(job, IsOk());
    return job->job_id();
  }
  void SetState(const std::string& id, v1::Job::State state) {
    ASSERT_THAT(
        store_->Update(id, [state](v1::JobFile& file) { file.mutable_job()->set_state(state); }),
        IsOk());
  }
  void Overwrite(const std::string& id, const std::string& text) {
    std::ofstream(store_->FolderOf(id) + "/job.json") << text;
  }
  std::vector<std::string> Names(const JobPage& page) {
    std::vector<std::string> names;
    for (const v1::Job& job : page.jobs) names.push_back(job.spec().name());
    return names;
  }

  TempDir dir_;
  std::unique_ptr<JobStore> store_;
};

TEST_F(JobStoreTest, NewJobIsQueuedAndThereAfterReopening) {
  const std::string id = Create("a");
  Reopen();
  const auto job = store_->Get(id);
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(job->state(), v1::Job::STATE_QUEUED);
  EXPECT_EQ(job->spec().name(), "a");
  EXPECT_GT(job->created_at().seconds(), 0);
}

TEST_F(JobStoreTest, RoundsAreThoseOfTheLineageAndSurviveReopening) {
  const std::string first = Create();
  const std::string other = Create();
  const std::string second = store_->Create({}, {}, first)->job_id();
  uint32_t pairs = 0;
  for (const std::string& id : {first, other, second}) {
    ASSERT_THAT(
        store_->Update(
            id, [&](v1::JobFile& file) { file.mutable_job()->add_rounds()->set_pairs(++pairs); }),
        IsOk());
  }
  Reopen();
  const auto pairs_of = [this](const std::string& id) {
    std::vector<uint32_t> found;
    const v1::Job job = *store_->GetWithRounds(id);
    for (const v1::TrainingRound& round : job.rounds()) found.push_back(round.pairs());
    return found;
  };
  EXPECT_THAT(pairs_of(first), ElementsAre(1, 3));
  EXPECT_THAT(pairs_of(second), ElementsAre(1, 3));
  EXPECT_THAT(pairs_of(other), ElementsAre(2));
  EXPECT_EQ(store_->List(1, "")->jobs[0].rounds_size(), 1) << "a list has each job's own";
}

TEST_F(JobStoreTest, OldestRoundsAreLeftOutBeyondTheMost) {
  const std::string first = Create();
  ASSERT_THAT(store_->Update(first,
                             [](v1::JobFile& file) {
                               for (int i = 0; i <= kMostRounds; ++i) {
                                 file.mutable_job()->add_rounds()->set_pairs(i);
                               }
                             }),
              IsOk());
  const v1::Job job = *store_->GetWithRounds(first);
  EXPECT_EQ(job.rounds_size(), kMostRounds);
  EXPECT_EQ(job.rounds(0).pairs(), 1u);
}

TEST_F(JobStoreTest, UnknownJobIsNotFound) {
  const absl::Status status = store_->Get("../x").status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("job_id: there is no job \"../x\"")));
  EXPECT_THAT(store_->Update("x", [](v1::JobFile&) {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_->Events("x"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(JobStoreTest, SecondStoreOnTheFolderIsRefused) {
  const absl::Status status = JobStore::Open(dir_.path()).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(dir_.path() + ": in use")));
}

TEST_F(JobStoreTest, PagesGoFromNewestToOldest) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Create(name);
  auto page = store_->List(2, "");
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(Names(*page), ElementsAre("e", "d"));
  Create("f");  // A newer job is not in later pages.
  page = store_->List(2, page->next_page_token);
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(Names(*page), ElementsAre("c", "b"));
  page = store_->List(2, page->next_page_token);
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(Names(*page), ElementsAre("a"));
  EXPECT_EQ(page->next_page_token, "");
}

TEST_F(JobStoreTest, LastPageThatIsFullHasNoToken) {
  Create("a");
  Create("b");
  EXPECT_EQ(store_->List(2, "")->next_page_token, "");
}

TEST_F(JobStoreTest, EmptyStoreHasAnEmptyPage) {
  const auto page = store_->List(2, "");
  ASSERT_THAT(page, IsOk());
  EXPECT_THAT(page->jobs, IsEmpty());
}

TEST_F(JobStoreTest, TokenThatListHasNotGivenIsInvalid) {
  for (const char* token : {"x", "!", "MjAyNg", "20261123-205501-031337-3fa9c1d2"}) {
    const absl::Status status = store_->List(2, token).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("page_token")))
        << token;
  }
}

TEST_F(JobStoreTest, UpdateIsKeptAndShowIsNot) {
  const std::string id = Create();
  ASSERT_THAT(store_->Update(id, [](v1::JobFile& file) { file.set_cancel_requested(true); }),
              IsOk());
  store_->Show(id, [](v1::JobFile& file) { file.mutable_job()->set_reason("shown"); });
  EXPECT_EQ(store_->Get(id)->reason(), "shown");
  Reopen();
  EXPECT_EQ(store_->Get(id)->reason(), "");
  EXPECT_TRUE((*store_->GetFile(id))->cancel_requested());
}

TEST_F(JobStoreTest, FailedUpdateChangesNothing) {
  const std::string id = Create();
  std::filesystem::create_directory(store_->FolderOf(id) + "/.job.json.tmp");
  EXPECT_FALSE(
      store_->Update(id, [](v1::JobFile& file) { file.mutable_job()->set_reason("new"); }).ok());
  EXPECT_EQ(store_->Get(id)->reason(), "");
}

TEST_F(JobStoreTest, DamagedJobIsShownAsFailedAndLeftAsItIs) {
  const std::string good = Create("good"), bad = Create("bad");
  Overwrite(bad, "{\"format\": 1, \"job\": ");
  Reopen();
  const auto job = store_->Get(bad);
  ASSERT_THAT(job, IsOk());
  EXPECT_EQ(job->state(), v1::Job::STATE_FAILED);
  EXPECT_THAT(job->reason(), HasSubstr(bad + "/job.json: "));
  EXPECT_THAT(store_->Update(bad, [](v1::JobFile&) {}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(std::filesystem::file_size(store_->FolderOf(bad) + "/job.json"), 21u);
  EXPECT_EQ(store_->Get(good)->state(), v1::Job::STATE_QUEUED);
}

TEST_F(JobStoreTest, JobOfANewerFormatSaysSo) {
  const std::string id = Create();
  Overwrite(id, "{\"format\": 99}");
  Reopen();
  EXPECT_THAT(store_->Get(id)->reason(), HasSubstr("format 99 is newer than this program"));
}

TEST_F(JobStoreTest, LostJobFileIsNamedWhereThereIsMore) {
  const std::string id = Create();
  std::ofstream(store_->FolderOf(id) + "/resume") << "x";
  std::filesystem::remove(store_->FolderOf(id) + "/job.json");
  Reopen();
  EXPECT_EQ(store_->Get(id)->state(), v1::Job::STATE_FAILED);
}

TEST_F(JobStoreTest, JobThatWasNeverAcknowledgedIsSweptOut) {
  const std::string id = Create();
  std::filesystem::rename(store_->FolderOf(id) + "/job.json",
                          store_->FolderOf(id) + "/.job.json.tmp");
  Reopen();
  EXPECT_THAT(store_->Get(id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(std::filesystem::exists(store_->FolderOf(id)));
}

TEST_F(JobStoreTest, OtherFoldersAreLeftAlone) {
  std::filesystem::create_directories(dir_.File("jobs/run-3fa9c1d2"));
  Reopen();
  EXPECT_THAT(store_->All(), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(dir_.File("jobs/run-3fa9c1d2")));
}

TEST_F(JobStoreTest, IdsGoOnAfterReopening) {
  std::string last;
  for (int i = 0; i < 5; ++i) {
    const std::string id = Create();
    EXPECT_GT(id, last);
    last = id;
    Reopen();
  }
}

TEST_F(JobStoreTest, CountsAreByState) {
  Create();
  Create();
  SetState(Create(), v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(store_->Counts(),
              ElementsAre(Pair(v1::Job::STATE_QUEUED, 2), Pair(v1::Job::STATE_SUCCEEDED, 1)));
}

TEST_F(JobStoreTest, NeededVersionsAreThoseOfJobsThatHaveNotEnded) {
  for (const int64_t version : {7, 3, 3, 9}) {
    v1::TrainingSpec spec;
    spec.set_initial_version(version);
    const auto job = store_->Create(spec, spec);
    if (version == 9) SetState(job->job_id(), v1::Job::STATE_FAILED);
  }
  Create();
  EXPECT_THAT(store_->NeededVersions(0), ElementsAre(3, 7));
}

TEST_F(JobStoreTest, NeededVersionsAreThoseOfTheNextRetrainingToo) {
  v1::TrainingSpec spec;
  spec.set_watch(true);
  std::string lineage;
  for (const int64_t version : {4, 6, 0}) {
    const std::string id = store_->Create(spec, spec, lineage)->job_id();
    if (lineage.empty()) lineage = id;
    ASSERT_THAT(store_->Update(id,
                               [version](v1::JobFile& file) {
                                 file.mutable_job()->set_state(v1::Job::STATE_SUCCEEDED);
                                 file.mutable_job()->set_published_version(version);
                               }),
                IsOk());
  }
  EXPECT_THAT(store_->NeededVersions(0), ElementsAre(6));
}

TEST_F(JobStoreTest, NeededVersionIsThatWhichAWatchedJobStartsFromAgain) {
  for (const auto& [version, state] : {std::pair{5, v1::Job::STATE_SUCCEEDED},
                                       {6, v1::Job::STATE_FAILED},
                                       {7, v1::Job::STATE_CANCELLED}}) {
    v1::TrainingSpec spec;
    spec.set_watch(true);
    spec.set_watch_afresh(true);
    spec.set_initial_version(version);
    SetState(store_->Create(spec, spec)->job_id(), state);
  }
  EXPECT_THAT(store_->NeededVersions(0), ElementsAre(5, 6));
}

TEST_F(JobStoreTest, NeededVersionsAreThoseOfTheRetryableJobsThatEndedLast) {
  // Each job, by its version: its state, and the second of its end.
  for (const auto& [version, state, second] : {std::tuple{11, v1::Job::STATE_FAILED, 5},
                                               {12, v1::Job::STATE_CANCELLED, 9},
                                               {13, v1::Job::STATE_SUCCEEDED, 10},
                                               {14, v1::Job::STATE_FAILED, 7},
                                               {0, v1::Job::STATE_FAILED, 8}}) {
    v1::TrainingSpec spec;
    if (version > 0) spec.set_initial_version(version);
    const std::string id = store_->Create(spec, spec)->job_id();
    ASSERT_THAT(store_->Update(id,
                               [state = state, second = second](v1::JobFile& file) {
                                 file.mutable_job()->set_state(state);
                                 file.mutable_job()->mutable_ended_at()->set_seconds(second);
                               }),
                IsOk());
  }
  EXPECT_THAT(store_->NeededVersions(0), IsEmpty());
  EXPECT_THAT(store_->NeededVersions(1), ElementsAre(12));
  EXPECT_THAT(store_->NeededVersions(2), ElementsAre(12, 14));
  EXPECT_THAT(store_->NeededVersions(9), ElementsAre(11, 12, 14));
}

TEST_F(JobStoreTest, EventsAreOpenOnlyWhileTheyAreInUse) {
  const std::string id = Create();
  auto events = *store_->Events(id);
  EXPECT_EQ(*store_->Events(id), events);
  ASSERT_THAT(events->Append({}, false), IsOk());
  const std::weak_ptr<JobEvents> gone = events;
  events.reset();
  EXPECT_TRUE(gone.expired());
  EXPECT_EQ((*store_->Events(id))->last_event(), 1);
}

TEST_F(JobStoreTest, FullDiskLeavesNoJob) {
  // A file in place of the folder simulates a failing disk.
  std::filesystem::remove(dir_.File("jobs"));
  std::ofstream(dir_.File("jobs")) << "x";
  EXPECT_FALSE(store_->Create({}, {}).ok());
  EXPECT_THAT(store_->All(), IsEmpty());
}

TEST_F(JobStoreTest, ThreadsCreateJobsOfTheirOwn) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int j = 0; j < 25; ++j) Create();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->All().size(), 100u);
  Reopen();
  EXPECT_EQ(store_->All().size(), 100u);
}

}  // namespace
}  // namespace s2p::test
