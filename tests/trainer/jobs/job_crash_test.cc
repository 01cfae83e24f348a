// The jobs that remain after SIGKILL at any moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "absl/strings/str_split.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/jobs/job_store.h"

namespace s2p::test {
namespace {

// Creates jobs with events until it is killed, and reports each id when it is acknowledged.
[[noreturn]] void CreateForEver(const std::string& state_dir, int pipe) {
  auto store = JobStore::Open(state_dir);
  for (;;) {
    const auto job = (*store)->Create({}, {});
    if (!job.ok()) _exit(1);
    const std::string line = job->job_id() + "\n";
    if (write(pipe, line.data(), line.size()) < 0) _exit(1);
    v1::WatchJobResponse event;
    event.set_message(line);
    (void)(*(*store)->Events(job->job_id()))->Append(event, /*sync=*/false);
    (void)(*store)->Update(job->job_id(), [](v1::JobFile& file) {
      file.mutable_job()->set_state(v1::Job::STATE_RUNNING);
    });
  }
}

// The ids acknowledged before the process was killed, which happens after at least `count` of them.
std::set<std::string> KillAfter(const std::string& state_dir, size_t count) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) CreateForEver(state_dir, ends[1]);
  close(ends[1]);
  std::string text;
  char buffer[256];
  bool killed = false;
  for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
    if (killed || text.size() < count * 32) continue;
    kill(child, SIGKILL);
    killed = true;
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  std::set<std::string> ids = absl::StrSplit(text, '\n', absl::SkipEmpty());
  return ids;
}

TEST(JobCrashTest, EveryAcknowledgedJobIsThereAndWhole) {
  TempDir dir;
  std::set<std::string> acknowledged;
  for (size_t round = 1; round <= 10; ++round) {
    const auto ids = KillAfter(dir.path(), round);
    ASSERT_GE(ids.size(), round);
    acknowledged.insert(ids.begin(), ids.end());
    const auto store = JobStore::Open(dir.path());
    ASSERT_THAT(store, IsOk());
    for (const std::string& id : acknowledged) {
      const auto job = (*store)->Get(id);
      ASSERT_THAT(job, IsOk());
      EXPECT_NE(job->state(), v1::Job::STATE_FAILED) << job->reason();
      EXPECT_THAT((*store)->Events(id), IsOk());
    }
    // The job being created may exist, too, but then it is complete.
    for (const auto& file : (*store)->All()) {
      EXPECT_NE(file->job().state(), v1::Job::STATE_FAILED) << file->job().reason();
    }
    EXPECT_LE((*store)->All().size(), acknowledged.size() + round);
  }
}

}  // namespace
}  // namespace s2p::test
