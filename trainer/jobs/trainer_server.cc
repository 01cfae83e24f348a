#include "trainer/jobs/trainer_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "daemon/http_endpoint.h"
#include "daemon/listen_address.h"
#include "rpc/api_keys.h"
#include "rpc/health_service.h"
#include "rpc/request_guard.h"
#include "rpc/worker_pool.h"
#include "trainer/jobs/data_set_watch.h"
#include "trainer/jobs/job_scheduler.h"
#include "trainer/jobs/job_store.h"
#include "trainer/jobs/trainer_metrics.h"
#include "trainer/jobs/training_service.h"
#include "trainer/jobs/watch_job_calls.h"

namespace s2p {
namespace {

// s2p's own clients ping every 30 s.
constexpr int kShortestPingIntervalMs = 10 * 1000;

constexpr int kPoolThreads = 4;
constexpr int kMostWaitingCalls = 1024;
// What is sent to a watcher that reads has arrived by then.
constexpr absl::Duration kWatchersGrace = absl::Seconds(5);

// The states of the services before the jobs are read, to grpc.health.v1; "" is the whole server.
std::map<std::string, bool> FirstHealth() {
  return {{"", false}, {v1::TrainingService::service_full_name(), false}};
}

class Server final : public TrainerServer {
 public:
  Server(TrainerServerOptions options, JobRunner* runner)
      : options_(std::move(options)), runner_(runner), metrics_(options_.version) {}
  ~Server() override { Shutdown(absl::ZeroDuration()); }

  absl::Status Init();

  const std::string& address() const override { return address_; }
  const std::string& http_address() const override { return http_->address(); }
  bool ready() const override { return ready_; }
  void Shutdown(absl::Duration drain) override;

 private:
  absl::Status CheckOptions() const;
  absl::Status OpenJobs();
  absl::Status StartGrpc();
  absl::Status StartHttp();
  void WatchDataSets();

  const TrainerServerOptions options_;
  JobRunner* const runner_;
  TrainerMetrics metrics_;
  std::optional<ApiKeys> keys_;
  std::unique_ptr<JobStore> store_;
  // The scheduler wakes it from its first moment, before it is there.
  std::atomic<WatchJobCalls*> wakes_{nullptr};
  std::unique_ptr<WatchJobCalls> watches_;
  std::unique_ptr<JobScheduler> scheduler_;
  std::unique_ptr<WorkerPool> pool_;
  std::unique_ptr<TrainingServiceImpl> service_;
  HealthService health_{FirstHealth()};
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<HttpEndpoint> http_;
  std::string address_;
  std::atomic<bool> ready_{false};
  absl::Mutex shutdown_mutex_;
  bool stopped_ ABSL_GUARDED_BY(shutdown_mutex_) = false;
  absl::Notification stopping_;
  std::thread watch_thread_;
};

absl::Status Server::Init() {
  // Everything that can be wrong with the options first, then the folder, then the ports.
  absl::Status status = CheckOptions();
  if (!status.ok()) return status;
  if (!options_.credentials.api_key_file.empty()) {
    S2P_ASSIGN_OR_RETURN(keys_, ApiKeys::Read(options_.credentials.api_key_file));
  }
  status = OpenJobs();
  if (status.ok()) status = StartGrpc();
  if (status.ok()) status = StartHttp();
  if (!status.ok()) return status;
  scheduler_->Start();
  watch_thread_ = std::thread([this] { WatchDataSets(); });
  ready_ = true;
  for (const auto& [service, serving] : FirstHealth()) health_.Set(service, true);
  return absl::OkStatus();
}

absl::Status Server::CheckOptions() const {
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

absl::Status Server::OpenJobs() {
  S2P_ASSIGN_OR_RETURN(store_, JobStore::Open(options_.state_dir));
  JobSchedulerOptions scheduler_options;
  scheduler_options.max_running = options_.max_running;
  scheduler_options.retry_pause = options_.retry_pause;
  scheduler_options.reporter.on_event = [this] {
    if (WatchJobCalls* watches = wakes_) watches->Wake();
  };
  S2P_ASSIGN_OR_RETURN(scheduler_,
                       JobScheduler::Create(scheduler_options, store_.get(), runner_, &metrics_));
  WatchJobOptions watch_options;
  watch_options.heartbeat = options_.heartbeat;
  watch_options.max_watchers = static_cast<size_t>(options_.max_watchers);
  watches_ = std::make_unique<WatchJobCalls>(
      watch_options, store_.get(),
      [this](const std::string& id) { return scheduler_->IsUnderWay(id); });
  wakes_ = watches_.get();
  pool_ = std::make_unique<WorkerPool>(kPoolThreads, kMostWaitingCalls);
  return absl::OkStatus();
}

absl::Status Server::StartGrpc() {
  S2P_ASSIGN_OR_RETURN(auto address, ParseListenAddress(options_.listen));
  S2P_ASSIGN_OR_RETURN(const auto credentials,
                       MakeServerCredentials(options_.listen, options_.credentials));
  TrainingServiceContext context;
  context.keys = keys_ ? &*keys_ : nullptr;
  context.store = store_.get();
  context.scheduler = scheduler_.get();
  context.watches = watches_.get();
  context.pool = pool_.get();
  service_ = std::make_unique<TrainingServiceImpl>(context);

  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  int port = 0;
  grpc::ServerBuilder builder;
  // A taken port is an error: two trainers must never answer on one by turns.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Of clients that watch a job that waits; gRPC would cut them off for it.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kShortestPingIntervalMs);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_message_bytes));
  builder.AddListeningPort(address.ToString(), credentials, &port);
  builder.RegisterService(service_.get());
  builder.RegisterService(&health_);
  AnswerUnreadableRequests({v1::TrainingService::service_full_name()}, &builder);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", options_.listen,
        ": cannot listen there; is another trainer running? Choose another address or port"));
  }
  address.port = static_cast<uint16_t>(port);
  address_ = address.ToString();
  return absl::OkStatus();
}

absl::Status Server::StartHttp() {
  HttpEndpointOptions http_options;
  http_options.listen = options_.http;
  http_options.metrics = [this] {
    metrics_.SetJobs(store_->Counts());
    metrics_.MeasureDisk(options_.state_dir);
    return metrics_.Text();
  };
  http_options.ready = [this] { return ready(); };
  S2P_ASSIGN_OR_RETURN(http_, HttpEndpoint::Start(std::move(http_options)));
  return absl::OkStatus();
}

void Server::WatchDataSets() {
  DataSetWatch watch(store_.get(), scheduler_.get());
  do {
    watch.Poll();
  } while (!stopping_.WaitForNotificationWithTimeout(options_.watch_interval));
}

void Server::Shutdown(absl::Duration drain) {
  absl::MutexLock lock(&shutdown_mutex_);
  if (stopped_) return;
  stopped_ = true;
  ready_ = false;
  stopping_.Notify();
  // Runs come to their end while the calls do.
  if (scheduler_ != nullptr) scheduler_->RequestStop();
  health_.Stop();
  // Watchers would stay for as long as they may.
  if (watches_ != nullptr) watches_->Stop(std::min(drain, kWatchersGrace));
  if (grpc_ != nullptr) grpc_->Shutdown(absl::ToChronoTime(absl::Now() + drain));
  if (pool_ != nullptr) pool_->Stop();
  if (watch_thread_.joinable()) watch_thread_.join();
  if (scheduler_ != nullptr) scheduler_->Stop();
  grpc_.reset();
  if (http_ != nullptr) http_->Stop();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TrainerServer>> TrainerServer::Start(
    const TrainerServerOptions& options, JobRunner* runner) {
  auto server = std::make_unique<Server>(options, runner);
  S2P_RETURN_IF_ERROR(server->Init());
  return std::unique_ptr<TrainerServer>(std::move(server));
}

}  // namespace s2p
