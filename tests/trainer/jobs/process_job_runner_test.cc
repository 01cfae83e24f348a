#include "trainer/jobs/process_job_runner.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/jobs/fake_job_runner.h"
#include "trainer/jobs/job_file.h"

namespace s2p::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ProcessJobRunnerTest : public testing::Test {
 protected:
  ProcessJobRunnerTest() {
    observer_.on_message = [this](const std::string& text) { messages_.push_back(text); };
    observer_.stop = [this] { return stop_; };
  }
  // Runs a job in a process that does what the script says (scripted_job.cc).
  absl::StatusOr<JobOutcome> Run(const std::string& script) {
    v1::JobFile file;
    file.set_format(kJobFileFormat);
    v1::Job& job = *file.mutable_job();
    job.set_job_id("job");
    job.set_state(v1::Job::STATE_RUNNING);
    job.mutable_resolved_spec()->set_name(script);
    job.mutable_created_at()->set_seconds(1);
    std::filesystem::create_directories(folder_);
    EXPECT_THAT(WriteJobFile(folder_, file), IsOk());
    return RunAsItIs();
  }
  absl::StatusOr<JobOutcome> RunAsItIs() {
    return ProcessJobRunner(&here_, program_, {"an argument"}).Run({}, folder_, observer_);
  }

  TempDir dir_;
  const std::string folder_ = dir_.File("job");
  FakeJobRunner here_;
  std::string program_ = S2P_SCRIPTED_JOB;
  JobObserver observer_;
  std::vector<std::string> messages_;
  bool stop_ = false;
};

TEST_F(ProcessJobRunnerTest, EverythingThatTheProcessReportsArrivesInOrder) {
  std::vector<std::string> heard;
  observer_.on_progress = [&](const v1::TrainingProgress& progress) {
    heard.push_back(absl::StrCat("progress ", progress.epoch()));
  };
  observer_.on_epoch = [&](const v1::TrainingProgress& progress, const auto& evaluations) {
    heard.push_back(absl::StrCat("epoch ", progress.epoch(), " ", evaluations.size(), " ",
                                 evaluations[1].rank1()));
  };
  observer_.on_start_over = [&] { heard.push_back("starts over"); };
  observer_.on_memory_bytes = [&](uint64_t bytes) { heard.push_back(absl::StrCat(bytes)); };
  const auto outcome = Run("report");
  ASSERT_THAT(outcome, IsOk());
  EXPECT_THAT(heard, ElementsAre("starts over", "progress 3", "epoch 3 2 0.25", "12345"));
  EXPECT_THAT(messages_, ElementsAre("report"));
  EXPECT_EQ(outcome->published_version, 7);
  EXPECT_EQ(outcome->reason, "published");
  EXPECT_EQ(outcome->learning_curve_file, "/curve.png");
  ASSERT_EQ(outcome->evaluations.size(), 1u);
  EXPECT_EQ(outcome->evaluations[0].rank1(), 0.25);
  ASSERT_TRUE(outcome->round.has_value());
  EXPECT_EQ(outcome->round->pairs(), 12u);
}

TEST_F(ProcessJobRunnerTest, ReasonWhyNothingIsPublishedArrives) {
  EXPECT_EQ(Run("report")->result, JobResult::kJudged);
  EXPECT_EQ(Run("not asked")->result, JobResult::kNotAsked);
  EXPECT_EQ(Run("not trained")->result, JobResult::kNotTrained);
}

TEST_F(ProcessJobRunnerTest, FailureKeepsItsWords) {
  EXPECT_THAT(Run("fail"), StatusIs(absl::StatusCode::kInternal, "loss: not finite"));
}

TEST_F(ProcessJobRunnerTest, StopReachesTheProcess) {
  observer_.on_message = [this](const std::string&) { stop_ = true; };
  EXPECT_THAT(Run("stop"), StatusIs(absl::StatusCode::kCancelled, "stopped"));
}

TEST_F(ProcessJobRunnerTest, StopReachesAProcessThatWaitsForAFormerOneOfItsJob) {
  std::filesystem::create_directories(folder_);
  const int lock = open((folder_ + "/run.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  // The process has most likely come to the lock by then; the outcome is the same if it has not.
  int looks = 0;
  observer_.stop = [&] { return ++looks > 40; };
  EXPECT_THAT(RunAsItIs(), StatusIs(absl::StatusCode::kCancelled, HasSubstr("stopped ")));
  EXPECT_THAT(messages_, IsEmpty()) << "the job has not begun";
  close(lock);
}

TEST_F(ProcessJobRunnerTest, SignalsThatAreMeantForTheDaemonDoNotEndTheProcess) {
  EXPECT_THAT(Run("ignore SIGTERM"), IsOk());
}

TEST_F(ProcessJobRunnerTest, ProcessWaitsForRoomAsLongAsItMay) {
  int waits = 0;
  observer_.wait_for_room = [&](const absl::Status& why) {
    EXPECT_THAT(why, StatusIs(absl::StatusCode::kResourceExhausted, "/state: no space"));
    return ++waits < 3;
  };
  EXPECT_THAT(Run("fill the disk"),
              StatusIs(absl::StatusCode::kResourceExhausted, "/state: no space"));
  EXPECT_THAT(messages_, ElementsAre("fill the disk", "again", "again"));
}

TEST_F(ProcessJobRunnerTest, ProcessLearnsWhichVersionsAreNeeded) {
  observer_.needed_versions = [] { return std::vector<int64_t>{3, 15}; };
  EXPECT_EQ(Run("ask for versions")->reason, "3 15");
}

TEST_F(ProcessJobRunnerTest, ProcessThatIsKilledIsAbortedWithTheSignal) {
  EXPECT_THAT(Run("die by SIGKILL"),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("killed by signal 9 (SIGKILL)")));
  EXPECT_THAT(messages_, Contains("die by SIGKILL")) << "its last words";
}

TEST_F(ProcessJobRunnerTest, ProcessThatCrashesIsAbortedWithTheSignal) {
  EXPECT_THAT(Run("die by SIGSEGV"),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("killed by signal 11 (SIGSEGV)")));
}

TEST_F(ProcessJobRunnerTest, ProcessThatExitsWithoutAResultIsAborted) {
  EXPECT_THAT(Run("exit"), StatusIs(absl::StatusCode::kAborted, HasSubstr("exit code 7")));
}

TEST_F(ProcessJobRunnerTest, ProgramThatIsNotThereIsNamed) {
  program_ = dir_.File("nothing");
  EXPECT_THAT(Run("report"), StatusIs(absl::StatusCode::kNotFound, HasSubstr(program_)));
}

TEST_F(ProcessJobRunnerTest, JobFileThatCannotBeReadIsAFailure) {
  std::filesystem::create_directories(folder_);
  EXPECT_THAT(RunAsItIs(), StatusIs(absl::StatusCode::kInternal, HasSubstr(folder_ + "/job.json")));
}

TEST_F(ProcessJobRunnerTest, ProcessDiesWithTheDaemon) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t daemon = fork();
  if (daemon == 0) {
    observer_.on_message = [&](const std::string&) { (void)!write(ends[1], "r", 1); };
    (void)Run("hang");
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ends[0], &byte, 1), 1) << "the job runs";
  kill(daemon, SIGKILL);
  waitpid(daemon, nullptr, 0);
  // The process holds this lock as long as it lives.
  const int lock = open((folder_ + "/run.lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(lock, 0);
  EXPECT_EQ(flock(lock, LOCK_EX), 0);
  for (const int descriptor : {lock, ends[0], ends[1]}) close(descriptor);
}

TEST(RunJobForDaemonTest, WithoutADaemonItIsRefused) {
  const pid_t child = fork();
  if (child == 0) {
    close(3);
    FakeJobRunner runner;
    _exit(absl::IsFailedPrecondition(RunJobForDaemon("/tmp", &runner)) ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace s2p::test
