#include "trainer/jobs/training_service.h"

#include <set>
#include <thread>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/jobs/trainer_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class TrainingServiceTest : public TrainerTest {
 protected:
  TrainingServiceTest() { Start(); }
  v1::Job job_;
};

TEST_F(TrainingServiceTest, JobGoesFromSubmitToItsOutcome) {
  const std::string id = MustSubmit("shoes");
  auto run = runner_.NextRun();
  ASSERT_THAT(Get(id, &job_), IsOk());
  EXPECT_EQ(job_.state(), v1::Job::STATE_RUNNING);
  EXPECT_EQ(job_.spec().name(), "shoes");
  EXPECT_FALSE(job_.spec().has_seed());
  EXPECT_EQ(job_.resolved_spec().seed(), 7u);
  run->End(Published(5));
  EXPECT_EQ(LastWord(id), "3 SUCCEEDED published");
  ASSERT_THAT(Get(id, &job_), IsOk());
  EXPECT_EQ(job_.published_version(), 5);
}

TEST_F(TrainingServiceTest, RefusedSpecSaysWhatTheRunnerFoundAndLeavesNoJob) {
  runner_.RefuseSpecs(absl::InvalidArgumentError("step2.epochs: x; loss.domain: y"));
  v1::SubmitJobRequest request;
  request.mutable_spec();
  ExpectError(Submit(request, &job_), grpc::StatusCode::INVALID_ARGUMENT,
              "step2.epochs: x; loss.domain: y");
  v1::ListJobsResponse list;
  ASSERT_THAT(List({}, &list), IsOk());
  EXPECT_THAT(list.jobs(), IsEmpty());
}

TEST_F(TrainingServiceTest, MissingAndHugeSpecsAreRefused) {
  v1::SubmitJobRequest request;
  ExpectError(Submit(request, &job_), grpc::StatusCode::INVALID_ARGUMENT, "spec: is missing");
  request.mutable_spec()->set_name(std::string(100'000, 'x'));
  ExpectError(Submit(request, &job_), grpc::StatusCode::INVALID_ARGUMENT, "spec: takes more");
}

TEST_F(TrainerTest, NothingThatIsToldOfAJobNamesAFolderOfTheServer) {
  const std::string data_root = dir_.File("data");
  options_.host.access.hidden = HiddenFolders({{data_root, "the data root"}});
  Start();
  v1::Job submitted, got;
  v1::SubmitJobRequest request;
  request.mutable_spec()->set_target_dataset(data_root + "/shoes");
  request.mutable_spec()->set_pairs_dataset(data_root + "/feedback");
  request.mutable_spec()->mutable_publish()->set_reference_dataset(data_root + "/trusted");
  ASSERT_THAT(Submit(request, &submitted), IsOk());
  EXPECT_EQ(submitted.spec().target_dataset(), data_root + "/shoes") << "the client's own";
  EXPECT_EQ(submitted.resolved_spec().target_dataset(), "shoes");
  EXPECT_EQ(submitted.resolved_spec().pairs_dataset(), "feedback");
  EXPECT_EQ(submitted.resolved_spec().publish().reference_dataset(), "trusted");
  runner_.NextRun()->End(absl::InvalidArgumentError(data_root + "/shoes: lists no image"));
  EXPECT_EQ(LastWord(submitted.job_id()), "3 FAILED shoes: lists no image");
  ASSERT_THAT(Get(submitted.job_id(), &got), IsOk());
  EXPECT_EQ(got.reason(), "shoes: lists no image");
  EXPECT_EQ(got.resolved_spec().target_dataset(), "shoes");
  v1::ListJobsResponse list;
  ASSERT_THAT(List({}, &list), IsOk());
  EXPECT_EQ(list.jobs(0).reason(), "shoes: lists no image");
  ASSERT_THAT(Submit(request, &submitted), IsOk());
  JobOutcome outcome;
  outcome.reason = "not better on " + data_root + "/trusted";
  outcome.round.emplace().set_pairs(12);
  runner_.NextRun()->End(outcome);
  LastWord(submitted.job_id());
  ASSERT_THAT(Get(submitted.job_id(), &got), IsOk());
  ASSERT_EQ(got.rounds_size(), 1);
  EXPECT_EQ(got.rounds(0).reason(), "not better on trusted");
  runner_.RefuseSpecs(absl::InvalidArgumentError(data_root + "/shoes: is not a folder"));
  EXPECT_EQ(Submit(request, &submitted).error_message(), "shoes: is not a folder");
}

TEST_F(TrainingServiceTest, HidingFoldersLeavesTheRestOfTheSpecAlone) {
  v1::Job submitted;
  v1::SubmitJobRequest request;
  request.mutable_spec()->set_target_dataset("shoes");
  request.mutable_spec()->set_initial_version(7);
  ASSERT_THAT(Submit(request, &submitted), IsOk());
  EXPECT_EQ(submitted.resolved_spec().initial_version(), 7);
  EXPECT_FALSE(submitted.resolved_spec().has_source_dataset());
  EXPECT_FALSE(submitted.resolved_spec().has_pairs_dataset());
  EXPECT_FALSE(submitted.resolved_spec().has_publish());
}

TEST_F(TrainingServiceTest, UnknownJobsAreNotFound) {
  ExpectError(Get("x", &job_), grpc::StatusCode::NOT_FOUND, "job_id: there is no job \"x\"");
  ExpectError(Cancel("x", &job_), grpc::StatusCode::NOT_FOUND, "job_id");
  auto watch = Watch("x");
  EXPECT_EQ(watch->Next(), "");
  ExpectError(watch->Finish(), grpc::StatusCode::NOT_FOUND, "job_id");
}

TEST_F(TrainingServiceTest, ListGoesThroughAllPagesNewestFirst) {
  for (int i = 0; i < 5; ++i) MustSubmit(absl::StrCat("job ", i));
  std::vector<std::string> names;
  v1::ListJobsRequest request;
  request.set_page_size(2);
  int pages = 0;
  do {
    v1::ListJobsResponse response;
    ASSERT_THAT(List(request, &response), IsOk());
    for (const v1::Job& job : response.jobs()) names.push_back(job.spec().name());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(pages, 3);
  EXPECT_THAT(names, ElementsAre("job 4", "job 3", "job 2", "job 1", "job 0"));
}

TEST_F(TrainingServiceTest, PageSizesAndTokensOutsideTheirRangeAreNamed) {
  v1::ListJobsResponse response;
  for (const uint32_t page_size : {0u, 1001u}) {
    v1::ListJobsRequest request;
    request.set_page_size(page_size);
    ExpectError(List(request, &response), grpc::StatusCode::INVALID_ARGUMENT, "page_size");
  }
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  EXPECT_THAT(List(request, &response), IsOk());
  request.set_page_token("x");
  ExpectError(List(request, &response), grpc::StatusCode::INVALID_ARGUMENT, "page_token");
}

TEST_F(TrainingServiceTest, PageOfLargeJobsIsCutBelowWhatAClientTakes) {
  v1::SubmitJobRequest request;
  request.mutable_spec()->set_name(std::string(60'000, 'x'));
  for (int i = 0; i < 40; ++i) ASSERT_THAT(Submit(request, &job_), IsOk());
  v1::ListJobsResponse first, second;
  ASSERT_THAT(List({}, &first), IsOk());
  EXPECT_LE(first.ByteSizeLong(), size_t{3} << 20);
  EXPECT_LT(first.jobs_size(), 40);
  v1::ListJobsRequest rest;
  rest.set_page_token(first.next_page_token());
  ASSERT_THAT(List(rest, &second), IsOk());
  EXPECT_GT(first.jobs(first.jobs_size() - 1).job_id(), second.jobs(0).job_id());
}

TEST_F(TrainingServiceTest, CancelEndsQueuedAndRunningJobs) {
  const std::string running = MustSubmit(), queued = MustSubmit();
  runner_.NextRun();
  ASSERT_THAT(Cancel(queued, &job_), IsOk());
  EXPECT_EQ(job_.state(), v1::Job::STATE_CANCELLED);
  ASSERT_THAT(Cancel(running, &job_), IsOk());
  EXPECT_THAT(LastWord(running), HasSubstr("CANCELLED"));
  ExpectError(Cancel(running, &job_), grpc::StatusCode::FAILED_PRECONDITION, "has ended already");
}

TEST_F(TrainingServiceTest, RetryQueuesAJobThatFailedAndNoOther) {
  const std::string id = MustSubmit();
  runner_.NextRun()->End(absl::InternalError("a fault"));
  EXPECT_THAT(LastWord(id), HasSubstr("FAILED a fault"));
  while (Retry(id, &job_).error_code() == grpc::StatusCode::UNAVAILABLE) {
  }
  EXPECT_EQ(job_.job_id(), id);
  auto again = runner_.NextRun();
  EXPECT_EQ(again->job().job_id(), id);
  ExpectError(Retry(id, &job_), grpc::StatusCode::FAILED_PRECONDITION, "is STATE_RUNNING");
  again->End(Published(1));
  EXPECT_THAT(LastWord(id), HasSubstr("SUCCEEDED"));
  ExpectError(Retry(id, &job_), grpc::StatusCode::FAILED_PRECONDITION, "is STATE_SUCCEEDED");
  ExpectError(Retry("x", &job_), grpc::StatusCode::NOT_FOUND, "job_id");
}

TEST_F(TrainingServiceTest, WatchReplaysThenFollows) {
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  run->Do([](const JobObserver& observer) { observer.on_message("reads data"); });
  auto watch = Watch(id);
  EXPECT_EQ(watch->Next(), "1 QUEUED queued");
  EXPECT_EQ(watch->Next(), "2 RUNNING started");
  EXPECT_EQ(watch->Next(), "3 RUNNING reads data");
  run->Do([](const JobObserver& observer) { observer.on_message("evaluates"); });
  EXPECT_EQ(watch->Next(), "4 RUNNING evaluates");
  run->End(Published(1));
  EXPECT_THAT(watch->All(), ElementsAre("5 SUCCEEDED published"));
  EXPECT_THAT(watch->Finish(), IsOk());
}

TEST_F(TrainingServiceTest, WatchBeginsAtTheEventAskedFor) {
  const std::string id = MustSubmit();
  runner_.NextRun()->End(Published(1));
  EXPECT_THAT(Watch(id)->All(), SizeIs(3));
  EXPECT_THAT(Watch(id, 1)->All(), SizeIs(3));
  EXPECT_THAT(Watch(id, 3)->All(), ElementsAre("3 SUCCEEDED published"));
  EXPECT_THAT(Watch(id, 4)->All(), ElementsAre("3 SUCCEEDED published"));
  auto negative = Watch(id, -1);
  EXPECT_THAT(negative->All(), IsEmpty());
  ExpectError(negative->Finish(), grpc::StatusCode::INVALID_ARGUMENT, "from_event");
}

TEST_F(TrainingServiceTest, ManyWatchersSeeTheSame) {
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  std::vector<std::unique_ptr<Watching>> watches;
  for (int i = 0; i < 20; ++i) {
    watches.push_back(Watch(id));
    EXPECT_EQ(watches.back()->Next(), "1 QUEUED queued");
  }
  run->End(Published(1));
  for (auto& watch : watches) {
    EXPECT_THAT(watch->All(), ElementsAre("2 RUNNING started", "3 SUCCEEDED published"));
    EXPECT_THAT(watch->Finish(), IsOk());
  }
}

TEST_F(TrainingServiceTest, ClientThatDoesNotReadHoldsUpNobody) {
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  auto idle = Watch(id);
  // Far more than a connection buffers.
  run->Do([](const JobObserver& observer) {
    for (int i = 0; i < 300; ++i) observer.on_message(std::string(16'000, 'x'));
  });
  run->End(Published(1));
  EXPECT_EQ(LastWord(id), "303 SUCCEEDED published");
  EXPECT_THAT(idle->All(), SizeIs(303));
}

TEST_F(TrainingServiceTest, ClientThatLeavesEndsItsStreamAlone) {
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  auto leaver = Watch(id);
  EXPECT_EQ(leaver->Next(), "1 QUEUED queued");
  leaver->Cancel();
  leaver->All();
  EXPECT_EQ(leaver->Finish().error_code(), grpc::StatusCode::CANCELLED);
  auto stayer = Watch(id);
  run->End(Published(1));
  EXPECT_THAT(stayer->All(), SizeIs(3));
}

TEST_F(TrainingServiceTest, SubmitsOfFourClientsRunOnceEach) {
  runner_.EndAtOnceWith(Published(1));
  std::vector<std::thread> threads;
  std::vector<std::set<std::string>> ids(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, &ids, i] {
      for (int j = 0; j < 50; ++j) ids[i].insert(MustSubmit());
    });
  }
  for (std::thread& thread : threads) thread.join();
  runner_.WaitForEnds(200);
  const auto counts = runner_.counts();
  EXPECT_THAT(counts, SizeIs(200));
  for (const auto& of_client : ids) {
    EXPECT_THAT(of_client, SizeIs(50));
    for (const std::string& id : of_client) EXPECT_EQ(counts.at(id), 1) << id;
  }
}

}  // namespace
}  // namespace s2p::test
