#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hidden_folders.h"
#include "base/status_macros.h"
#include "daemon/daemon_options.h"
#include "daemon/health_check.h"
#include "daemon/log.h"
#include "daemon/reload_signal.h"
#include "daemon/shutdown.h"
#include "trainer/jobs/process_job_runner.h"
#include "trainer/jobs/trainer_server.h"
#include "trainer/program/commands.h"
#include "trainer/program/ihda_job_runner.h"

namespace s2p {
namespace {

// The arguments of a job's process, which win over its environment.
std::vector<std::string> JobArguments(const ServeOptions& options) {
  const IhdaJobRunnerOptions& runner = options.runner;
  return {kJobCommand,
          absl::StrCat("--checkpoint-root=", runner.checkpoint_root),
          absl::StrCat("--data-root=", runner.data_root),
          absl::StrCat("--threads=", runner.threads),
          absl::StrCat("--keep-last=", runner.keep_last),
          absl::StrCat("--log-format=", options.daemon.log.format),
          absl::StrCat("--log-level=", options.daemon.log.level)};
}

}  // namespace

absl::Status RunServe(const ServeOptions& options) {
  if (options.daemon.health) {
    return CheckHealth(options.server.host.http, options.server.host.http_tls);
  }
  S2P_RETURN_IF_ERROR(ConfigureLog(options.daemon.log));
  S2P_ASSIGN_OR_RETURN(auto shutdown, Shutdown::Install());
  S2P_RETURN_IF_ERROR(CatchReloadSignal());
  S2P_ASSIGN_OR_RETURN(auto runner, IhdaJobRunner::Create(options.runner));
  // The kernel's name for this program stays right when its file is replaced.
  ProcessJobRunner jobs(runner.get(), "/proc/self/exe", JobArguments(options));
  TrainerServerOptions server_options = options.server;
  server_options.host.access.hidden =
      HiddenFolders({{server_options.state_dir, "the state folder"},
                     {options.runner.checkpoint_root, "the store of versions"},
                     {options.runner.data_root, "the data root"}});
  S2P_ASSIGN_OR_RETURN(auto server, TrainerServer::Start(server_options, &jobs));
  return ServeUntilShutdown(options.daemon, server->address(), server->http_address(), *shutdown,
                            {[&server] { server->StopServing(); },
                             [&server](absl::Duration drain) { server->Shutdown(drain); }});
}

}  // namespace s2p
