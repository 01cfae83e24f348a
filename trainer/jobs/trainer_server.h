// s2p-trainer serve put together: jobs, scheduler, service, ports.
#ifndef S2P_TRAINER_JOBS_TRAINER_SERVER_H_
#define S2P_TRAINER_JOBS_TRAINER_SERVER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"
#include "rpc/grpc_host.h"
#include "rpc/watch_streams.h"
#include "rpc/worker_pool.h"
#include "trainer/jobs/job_runner.h"
#include "trainer/jobs/job_scheduler.h"
#include "trainer/jobs/job_store.h"
#include "trainer/jobs/trainer_metrics.h"

namespace s2p {

class TrainingServiceImpl;

// Other ports than those of s2p-server, which often runs on the same machine.
inline GrpcHostOptions TrainerHostOptions() {
  GrpcHostOptions host;
  host.listen = "127.0.0.1:50052";
  host.http = "127.0.0.1:9465";
  return host;
}

struct TrainerServerOptions {
  // Holds the jobs; one trainer at a time.
  std::string state_dir;
  GrpcHostOptions host = TrainerHostOptions();

  // Jobs that run at one time, 1 to 64. They share the device: more than one is rarely faster.
  int max_running = 1;
  // How long a job that a full disk has paused waits before it is retried.
  absl::Duration retry_pause = absl::Seconds(30);
  // Between two looks at the data sets of jobs that watch them. A change has settled when two looks
  // see the same.
  absl::Duration watch_interval = absl::Seconds(10);
  // The longest silence of a WatchJob stream.
  absl::Duration heartbeat = absl::Seconds(1);
  // WatchJob streams at one time; each holds an open file.
  int32_t max_watchers = 1000;
  // For s2p_build_info.
  std::string version = "unknown";
};

// Runs from Start to Shutdown. Thread-safe.
class TrainerServer {
 public:
  // Opens the jobs, takes the ports, resumes what was interrupted. `runner` is borrowed.
  // FailedPrecondition if another process has the state folder; Unavailable naming the address if a
  // port is taken; InvalidArgument naming a bad option; else as GrpcHost::Create and
  // JobStore::Open.
  static absl::StatusOr<std::unique_ptr<TrainerServer>> Start(const TrainerServerOptions& options,
                                                              JobRunner* runner);
  // As Shutdown without a drain.
  ~TrainerServer();
  TrainerServer(const TrainerServer&) = delete;
  TrainerServer& operator=(const TrainerServer&) = delete;

  // The addresses as bound.
  const std::string& address() const { return host_->address(); }
  const std::string& http_address() const { return host_->http_address(); }
  // Takes jobs.
  bool ready() const { return ready_; }
  // Reports that it takes no jobs, and answers calls nevertheless, so that balancers can send them
  // elsewhere before Shutdown. Idempotent.
  void StopServing();
  // Asks the running jobs to stop, ends the watchers' streams, refuses new calls, lets running
  // calls end for at most `drain`, then waits for the jobs, which resume at the next start.
  // Idempotent.
  void Shutdown(absl::Duration drain);

 private:
  TrainerServer(const TrainerServerOptions& options, JobRunner* runner);
  absl::Status Init();
  absl::Status CheckOptions() const;
  absl::Status OpenJobs();
  absl::Status StartService();
  void WatchDataSets();
  // Waits for this time; true as soon as the server ends.
  bool StopsWithin(absl::Duration time);

  const TrainerServerOptions options_;
  JobRunner& runner_;
  TrainerMetrics metrics_;
  std::unique_ptr<GrpcHost> host_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<WatchStreams<v1::WatchJobRequest, v1::WatchJobResponse>> watches_;
  std::unique_ptr<JobScheduler> scheduler_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<TrainingServiceImpl> service_;
  std::atomic<bool> ready_{false};
  absl::Mutex shutdown_mutex_;
  bool stopped_ ABSL_GUARDED_BY(shutdown_mutex_) = false;
  // For the thread that watches data sets.
  SteadyWait stop_;
  absl::Mutex stop_mutex_;
  bool stopping_ ABSL_GUARDED_BY(stop_mutex_) = false;
  std::thread watch_thread_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_TRAINER_SERVER_H_
