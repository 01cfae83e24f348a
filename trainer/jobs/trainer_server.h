// s2p-trainer serve put together: jobs, scheduler, service, ports.
#ifndef S2P_TRAINER_JOBS_TRAINER_SERVER_H_
#define S2P_TRAINER_JOBS_TRAINER_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/credentials.h"
#include "trainer/jobs/job_runner.h"

namespace s2p {

struct TrainerServerOptions {
  // Holds the jobs; one trainer at a time.
  std::string state_dir;
  // HOST:PORT of gRPC and of the HTTP endpoint; port 0 picks a free one. Not those of s2p-server,
  // which often runs beside it.
  std::string listen = "127.0.0.1:50052";
  std::string http = "127.0.0.1:9465";
  CredentialOptions credentials;

  // Jobs that run at one time, 1 to 64. They share the device: more than one is rarely faster.
  int max_running = 1;
  // How long a job that a full disk has paused waits before it is tried again.
  absl::Duration retry_pause = absl::Seconds(30);
  // Between two looks at the data sets of jobs that watch them; what two looks find the same has
  // settled.
  absl::Duration watch_interval = absl::Seconds(10);
  // The longest silence of a WatchJob stream.
  absl::Duration heartbeat = absl::Seconds(1);
  // WatchJob streams at one time.
  int32_t max_watchers = 1000;
  // Of one gRPC message.
  uint64_t max_message_bytes = uint64_t{16} << 20;
  // For s2p_build_info.
  std::string version = "unknown";
};

// Runs from Start to Shutdown. Thread-safe.
class TrainerServer {
 public:
  // Opens the jobs, takes the ports, goes on with what was interrupted. `runner` is borrowed.
  // FailedPrecondition if another process has the state folder; Unavailable naming the address if a
  // port is taken; InvalidArgument naming a bad option; else as JobStore::Open.
  static absl::StatusOr<std::unique_ptr<TrainerServer>> Start(const TrainerServerOptions& options,
                                                              JobRunner* runner);
  // As Shutdown without a drain.
  virtual ~TrainerServer() = default;

  // HOST:PORT as bound.
  virtual const std::string& address() const = 0;
  virtual const std::string& http_address() const = 0;
  // Takes jobs.
  virtual bool ready() const = 0;
  // Tells the running jobs to stop, ends the watchers' streams, refuses new calls, lets those under
  // way end for at most `drain`, then waits for the jobs: they go on at the next start. Idempotent.
  virtual void Shutdown(absl::Duration drain) = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_TRAINER_SERVER_H_
