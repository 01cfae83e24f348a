#include "trainer/jobs/trainer_server.h"

#include <map>
#include <utility>

#include "base/status_macros.h"
#include "s2p/v1/training.grpc.pb.h"
#include "trainer/jobs/data_set_watch.h"
#include "trainer/jobs/training_service.h"

namespace s2p {
namespace {

constexpr int kPoolThreads = 4;
constexpr int kMostWaitingCalls = 1024;

// The states of the services before the jobs are read.
std::map<std::string, bool> FirstHealth() {
  return {{kWholeServer, false}, {v1::TrainingService::service_full_name(), false}};
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainerServer>> TrainerServer::Start(
    const TrainerServerOptions& options, JobRunner* runner) {
  std::unique_ptr<TrainerServer> server(new TrainerServer(options, runner));
  S2P_RETURN_IF_ERROR(server->Init());
  return server;
}

TrainerServer::TrainerServer(const TrainerServerOptions& options, JobRunner* runner)
    : options_(options), runner_(*runner), metrics_(options.version) {}

TrainerServer::~TrainerServer() { Shutdown(absl::ZeroDuration()); }

absl::Status TrainerServer::Init() {
  // Everything that can be wrong with the options first, then the folder, then the ports.
  S2P_RETURN_IF_ERROR(CheckOptions());
  S2P_ASSIGN_OR_RETURN(host_, GrpcHost::Create(options_.host, FirstHealth(), &metrics_));
  S2P_RETURN_IF_ERROR(OpenJobs());
  S2P_RETURN_IF_ERROR(StartService());
  scheduler_->Start();
  watch_thread_ = std::thread([this] { WatchDataSets(); });
  ready_ = true;
  for (const auto& [service, serving] : FirstHealth()) host_->SetServing(service, true);
  return absl::OkStatus();
}

absl::Status TrainerServer::CheckOptions() const {
  if (options_.state_dir.empty()) return absl::InvalidArgumentError("state_dir: is empty");
  if (options_.watch_interval <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("watch_interval: is not positive");
  }
  if (options_.heartbeat <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("heartbeat: is not positive");
  }
  if (options_.max_watchers < 1) {
    return absl::InvalidArgumentError("max_watchers: is not positive");
  }
  return absl::OkStatus();
}

absl::Status TrainerServer::OpenJobs() {
  S2P_ASSIGN_OR_RETURN(store_, JobStore::Open(options_.state_dir));
  const WatchStreamsOptions watch_options = {static_cast<size_t>(options_.max_watchers)};
  watches_ =
      std::make_unique<WatchStreams<v1::WatchJobRequest, v1::WatchJobResponse>>(watch_options);
  JobSchedulerOptions scheduler_options;
  scheduler_options.max_running = options_.max_running;
  scheduler_options.retry_pause = options_.retry_pause;
  scheduler_options.reporter.on_event = [this] { watches_->Wake(); };
  S2P_ASSIGN_OR_RETURN(scheduler_,
                       JobScheduler::Create(scheduler_options, store_.get(), &runner_, &metrics_));
  pool_ = std::make_unique<WorkerPool>(kPoolThreads, kMostWaitingCalls);
  return absl::OkStatus();
}

absl::Status TrainerServer::StartService() {
  TrainingServiceContext context;
  context.gate = host_->gate();
  context.store = store_.get();
  context.scheduler = scheduler_.get();
  context.watches = watches_.get();
  context.pool = pool_.get();
  context.heartbeat = options_.heartbeat;
  service_ = std::make_unique<TrainingServiceImpl>(context);
  const auto metrics = [this] {
    metrics_.SetJobs(store_->Counts());
    metrics_.MeasureDisk(options_.state_dir);
    return metrics_.Text();
  };
  return host_->Start({service_.get()}, metrics, [this] { return ready(); });
}

void TrainerServer::WatchDataSets() {
  DataSetWatch watch(store_.get(), scheduler_.get());
  do {
    watch.Poll();
  } while (!StopsWithin(options_.watch_interval));
}

bool TrainerServer::StopsWithin(absl::Duration time) {
  absl::MutexLock lock(&stop_mutex_);
  const auto stopping = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(stop_mutex_) { return stopping_; };
  return stop_.Until(&stop_mutex_, SteadyTime::Now() + time, stopping);
}

void TrainerServer::StopServing() {
  ready_ = false;
  if (host_ != nullptr) host_->StopServing();
}

void TrainerServer::Shutdown(absl::Duration drain) {
  absl::MutexLock lock(&shutdown_mutex_);
  if (stopped_) return;
  stopped_ = true;
  ready_ = false;
  {
    absl::MutexLock stop_lock(&stop_mutex_);
    stopping_ = true;
    stop_.NotifyAll();
  }
  if (host_ == nullptr) return;
  // Runs end while the calls do.
  if (scheduler_ != nullptr) scheduler_->RequestStop();
  CallsEnd end;
  end.stop_streams = [this](absl::Duration grace) {
    if (watches_ != nullptr) watches_->Stop(grace);
  };
  end.abandon = [this] {
    if (pool_ != nullptr) pool_->Close();
  };
  host_->EndCalls(drain, end);
  if (pool_ != nullptr) pool_->Stop();
  if (watch_thread_.joinable()) watch_thread_.join();
  if (scheduler_ != nullptr) scheduler_->Stop();
  host_->Close();
}

}  // namespace s2p
