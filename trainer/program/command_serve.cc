#include "base/status_macros.h"
#include "daemon/daemon_options.h"
#include "daemon/health_check.h"
#include "daemon/log.h"
#include "daemon/shutdown.h"
#include "trainer/jobs/trainer_server.h"
#include "trainer/program/commands.h"
#include "trainer/program/ihda_job_runner.h"

namespace s2p {

absl::Status RunServe(const ServeOptions& options) {
  if (options.daemon.health) return CheckHealth(options.server.host.http);
  S2P_RETURN_IF_ERROR(ConfigureLog(options.daemon.log));
  S2P_ASSIGN_OR_RETURN(auto shutdown, Shutdown::Install());
  S2P_ASSIGN_OR_RETURN(auto runner, IhdaJobRunner::Create(options.runner));
  S2P_ASSIGN_OR_RETURN(auto server, TrainerServer::Start(options.server, runner.get()));
  return ServeUntilShutdown(options.daemon, server->address(), server->http_address(), *shutdown,
                            [&server](absl::Duration drain) { server->Shutdown(drain); });
}

}  // namespace s2p
