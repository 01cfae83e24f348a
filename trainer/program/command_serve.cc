
#include "base/status_macros.h"
#include "daemon/address_file.h"
#include "daemon/health_check.h"
#include "daemon/log.h"
#include "daemon/shutdown.h"
#include "trainer/jobs/trainer_server.h"
#include "trainer/program/commands.h"
#include "trainer/program/ihda_job_runner.h"

namespace s2p {

absl::Status RunServe(const ServeOptions& options) {
  if (options.health) return CheckHealth(options.server.http);
  S2P_RETURN_IF_ERROR(ConfigureLog(options.log));
  S2P_ASSIGN_OR_RETURN(auto shutdown, Shutdown::Install());
  S2P_ASSIGN_OR_RETURN(auto runner, IhdaJobRunner::Create(options.runner));
  S2P_ASSIGN_OR_RETURN(auto server, TrainerServer::Start(options.server, runner.get()));
  absl::Status status = WriteAddress(options.address_file, server->address());
  if (status.ok()) status = WriteAddress(options.http_address_file, server->http_address());
  if (!status.ok()) return status;
  LogInfo("listening", {{"grpc", server->address()}, {"http", server->http_address()}});
  shutdown->Wait();
  LogInfo("draining", {{"at_most", options.drain}});
  server->Shutdown(options.drain);
  LogInfo("ended");
  return absl::OkStatus();
}

}  // namespace s2p
