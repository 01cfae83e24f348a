#include <memory>

#include "base/status_macros.h"
#include "trainer/jobs/process_job_runner.h"
#include "trainer/program/commands.h"

namespace s2p {

void AddJobProcessFlags(Options* options, JobProcessOptions* job) {
  options->Add("checkpoint-root", &job->runner.checkpoint_root, "folder that models go to");
  options->Add("data-root", &job->runner.data_root, "folder that all paths of a spec lie in");
  options->Add("threads", &job->runner.threads, "threads on the CPU; 0: one per core");
  options->Add("keep-last", &job->runner.keep_last, "versions that stay in the store; 0: all");
  AddLogOptions(options, &job->log);
}

absl::Status RunJobProcess(const JobProcessOptions& options, const std::string& folder) {
  S2P_RETURN_IF_ERROR(ConfigureLog(options.log));
  S2P_ASSIGN_OR_RETURN(const auto runner, IhdaJobRunner::Create(options.runner));
  return RunJobForDaemon(folder, runner.get());
}

}  // namespace s2p
