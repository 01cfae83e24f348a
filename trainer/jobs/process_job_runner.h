// Runs each job in a process of its own.
#ifndef S2P_TRAINER_JOBS_PROCESS_JOB_RUNNER_H_
#define S2P_TRAINER_JOBS_PROCESS_JOB_RUNNER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "trainer/jobs/job_runner.h"

namespace s2p {

// Starts a command for each run, and follows it until it ends. So a crash, a kill for want of
// memory or a GPU context that is broken for good costs a job and not the daemon; and jobs that run
// at the same time share no random numbers. The process ends with the thread that called Run,
// whatever ends that. It has a process group of its own and blocks SIGINT and SIGTERM, which a
// terminal or a service manager sends to all: it stops when the daemon tells it. Run returns
// Aborted, saying how, when the process dies. Thread-safe.
class ProcessJobRunner : public JobRunner {
 public:
  // The command is `program` with `arguments` and then the job's folder; it must call
  // RunJobForDaemon. `here` is borrowed and does everything but Run.
  ProcessJobRunner(JobRunner* here, std::string program, std::vector<std::string> arguments)
      : here_(*here), program_(std::move(program)), arguments_(std::move(arguments)) {}

  absl::StatusOr<v1::TrainingSpec> Check(const v1::TrainingSpec& spec) override {
    return here_.Check(spec);
  }
  absl::StatusOr<JobOutcome> Run(const v1::Job& job, const std::string& folder,
                                 const JobObserver& observer) override;
  absl::Status CheckRetry(const v1::Job& job, const std::string& folder) override {
    return here_.CheckRetry(job, folder);
  }
  bool HasState(const std::string& folder) override { return here_.HasState(folder); }
  void DropState(const std::string& folder) override { here_.DropState(folder); }

 private:
  JobRunner& here_;
  const std::string program_;
  const std::vector<std::string> arguments_;
};

// The other side: runs the job of the folder (trainer/jobs/job_file.h) with `runner`, for the
// daemon that has started this process, and tells it what happens. Waits for a former process of
// this job that is still ending. Returns what is wrong if the daemon cannot be told;
// FailedPrecondition if no daemon has started this process. Call once, before there are other
// threads.
absl::Status RunJobForDaemon(const std::string& folder, JobRunner* runner);

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_PROCESS_JOB_RUNNER_H_
