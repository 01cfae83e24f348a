#include "rpc/grpc_host.h"

#include <grpc/support/time.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "daemon/listen_address.h"
#include "daemon/log.h"

namespace s2p {
namespace {

// Clients that watch or await a slow reply ping more often than gRPC's default allows: s2p's own do
// every 30 s.
constexpr int kShortestPingIntervalMs = 10 * 1000;

// One thread handles all that one read of a connection brings: at gRPC's own limit of 4 MiB, a
// stranger's thousands of pings keep it for tens of milliseconds.
constexpr int kMostReadBytes = 16 << 10;

// These serve gRPC's own service, reflection; everything else runs on callbacks.
constexpr int kSyncQueues = 1;
constexpr int kMostSyncThreads = 16;

// By then, a client that reads has taken what was sent to it.
constexpr absl::Duration kStreamDrain = absl::Seconds(5);

// 0 stands for no limit.
int Milliseconds(absl::Duration duration) {
  constexpr absl::Duration kMost = absl::Hours(24 * 20);
  if (duration == absl::ZeroDuration()) duration = kMost;
  return static_cast<int>(absl::ToInt64Milliseconds(std::min(duration, kMost)));
}

void Apply(const ConnectionLimits& limits, grpc::ServerBuilder* builder) {
  grpc::ResourceQuota quota("connections");
  quota.Resize(limits.memory_bytes);
  quota.SetMaxThreads(kMostSyncThreads);
  builder->SetResourceQuota(quota);
  builder->SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, kSyncQueues);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.streams);
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, limits.metadata_bytes);
  if (limits.idle > absl::ZeroDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(limits.idle));
  }
  if (limits.age > absl::ZeroDuration()) {
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(limits.age));
    builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                                Milliseconds(limits.age_grace));
  }
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(limits.keepalive));
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                              Milliseconds(limits.keepalive_timeout));
  builder->AddChannelArgument(GRPC_ARG_TCP_MAX_READ_CHUNK_SIZE, kMostReadBytes);
  // A client that pings more often than it needs to is disconnected.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                              kShortestPingIntervalMs);
}

gpr_timespec ToGpr(SteadyTime time) {
  const absl::Duration left = std::max(time - SteadyTime::Now(), absl::ZeroDuration());
  if (left == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(left), GPR_TIMESPAN));
}

// Takes reflection out of a server. A program that links it has it in all its servers.
class WithoutReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    plugins->erase(std::remove_if(plugins->begin(), plugins->end(),
                                  [](const auto& plugin) {
                                    return plugin->name() == "proto_server_reflection";
                                  }),
                   plugins->end());
  }
};

// Calls a function at a time, or at its own end if that comes first.
class AtLatest {
 public:
  AtLatest(SteadyTime time, const std::function<void()>& callback)
      : thread_([this, time, &callback] {
          {
            absl::MutexLock lock(&mutex_);
            wait_.Until(&mutex_, time,
                        [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_; });
          }
          if (callback != nullptr) callback();
        }) {}
  ~AtLatest() {
    {
      absl::MutexLock lock(&mutex_);
      ended_ = true;
      wait_.NotifyAll();
    }
    thread_.join();
  }

 private:
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  SteadyWait wait_;
  std::thread thread_;
};

}  // namespace

void AddPortFlags(Options& options, absl::string_view program, GrpcHostOptions* host,
                  DaemonOptions* daemon) {
  AddListenFlag(options, &host->listen, "gRPC").Check(CheckGrpcListen);
  options.Add("http", &host->http, "address of /metrics, /healthz and /readyz, HOST:PORT")
      .Check(CheckHttpListen);
  AddHttpTlsFlags(options, &host->http_tls);
  options.Add("insecure-http", &host->insecure_http,
              "allow --http in plain text beyond loopback; --insecure allows it, too");
  options.Add("no-reflection", &host->no_reflection,
              "switch gRPC's reflection off, which lists services and messages without a key");
  ConnectionLimits& limits = host->connections;
  options
      .AddBytes("max-connection-memory", &limits.memory_bytes,
                "that gRPC connections may fill with what the server has not read yet")
      .Range(16 << 20, 1e15);
  options.Add("max-streams", &limits.streams, "calls of one gRPC connection at one time")
      .Range(1, 100000);
  options.Add("max-connection-idle", &limits.idle,
              "a gRPC connection without calls is closed after this time; 0: never");
  options.Add("max-connection-age", &limits.age,
              "a gRPC connection is closed at this age, its calls ten minutes later; 0: never");
  AddHealthFlag(options, daemon, absl::StrCat("the ", program, " at --http"));
  AddAddressFileFlag(options, daemon, "gRPC's");
  options.Add("http-address-file", &daemon->http_address_file, "the same for --http");
}

absl::StatusOr<std::unique_ptr<GrpcHost>> GrpcHost::Create(const GrpcHostOptions& options,
                                                           std::map<std::string, bool> health,
                                                           RpcMetrics* metrics) {
  S2P_RETURN_IF_ERROR(CheckListenAddress(options.http, options.http_tls.enabled(),
                                         options.credentials.insecure || options.insecure_http,
                                         "--http-tls-cert and --http-tls-key", "--insecure-http"));
  S2P_ASSIGN_OR_RETURN(auto audit, AuditLog::Open(options.access.audit_log, metrics));
  S2P_ASSIGN_OR_RETURN(auto keys, WatchApiKeys(options.credentials, audit.get(), metrics));
  S2P_ASSIGN_OR_RETURN(auto credentials,
                       MakeServerCredentials(options.listen, options.credentials, metrics));
  const bool is_open = keys == nullptr && options.credentials.tls_client_ca.empty();
  if (is_open && !CheckListenAddress(options.listen, false, false).ok()) {
    LogWarning("whoever reaches this address may do everything: no --api-key-file is set",
               {{"listen", options.listen}});
  }
  return std::unique_ptr<GrpcHost>(new GrpcHost(options, std::move(health), std::move(audit),
                                                std::move(keys), std::move(credentials), metrics));
}

GrpcHost::GrpcHost(const GrpcHostOptions& options, std::map<std::string, bool> health,
                   std::unique_ptr<AuditLog> audit, std::unique_ptr<Reloaded<ApiKeys>> keys,
                   std::shared_ptr<grpc::ServerCredentials> credentials, RpcMetrics* metrics)
    : options_(options),
      credentials_(std::move(credentials)),
      metrics_(metrics),
      gate_(options.access, std::move(audit), std::move(keys), options.call_log, metrics),
      health_(std::move(health)) {}

GrpcHost::~GrpcHost() {
  EndCalls(absl::ZeroDuration(), {});
  Close();
}

absl::Status GrpcHost::Start(const std::vector<grpc::Service*>& services,
                             std::function<std::string()> metrics, std::function<bool()> ready) {
  S2P_RETURN_IF_ERROR(StartGrpc(services));
  HttpEndpointOptions http_options;
  http_options.listen = options_.http;
  http_options.tls = options_.http_tls;
  http_options.tls_reload_interval = options_.credentials.reload_interval;
  http_options.count_reload = [this](absl::string_view files, bool ok) {
    metrics_->CountReload(files, ok);
  };
  http_options.metrics = std::move(metrics);
  http_options.ready = std::move(ready);
  S2P_ASSIGN_OR_RETURN(http_, HttpEndpoint::Start(std::move(http_options)));
  return absl::OkStatus();
}

absl::Status GrpcHost::StartGrpc(const std::vector<grpc::Service*>& services) {
  ListenAddress address;
  const bool is_socket_file = absl::StartsWith(options_.listen, "unix:");
  if (!is_socket_file) {
    S2P_ASSIGN_OR_RETURN(address, ParseListenAddress(options_.listen));
  }
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  int port = 0;
  grpc::ServerBuilder builder;
  if (options_.no_reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  // A taken port is an error: two servers must never take turns answering on one.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  Apply(options_.connections, &builder);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_message_bytes));
  builder.AddListeningPort(is_socket_file ? options_.listen : address.ToString(), credentials_,
                           &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&health_);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat(
        "--listen ", options_.listen,
        ": cannot listen there; is another server running? Choose another address or port"));
  }
  address.port = static_cast<uint16_t>(port);
  address_ = is_socket_file ? options_.listen : address.ToString();
  return absl::OkStatus();
}

void GrpcHost::SetServing(const std::string& service, bool serving) {
  health_.Set(service, serving);
}

void GrpcHost::StopServing() { health_.Stop(); }

void GrpcHost::EndCalls(absl::Duration drain, const CallsEnd& end) {
  const SteadyTime deadline = SteadyTime::Now() + drain;
  StopServing();
  if (end.stop_streams != nullptr) end.stop_streams(std::min(drain, kStreamDrain));
  // gRPC waits for every call, also for those whose work waits behind other work.
  const AtLatest abandon(deadline, end.abandon);
  if (grpc_ != nullptr) grpc_->Shutdown(ToGpr(deadline));
}

void GrpcHost::Close() {
  grpc_.reset();
  if (http_ != nullptr) http_->Stop();
}

}  // namespace s2p
