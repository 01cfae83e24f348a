#include "rpc/grpc_host.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "daemon/listen_address.h"
#include "rpc/request_guard.h"

namespace s2p {
namespace {

// Clients that watch or await a slow reply ping more often than gRPC's default allows: s2p's own do
// every 30 s.
constexpr int kShortestPingIntervalMs = 10 * 1000;

// By then, a client that reads has taken what was sent to it.
constexpr absl::Duration kStreamDrain = absl::Seconds(5);

}  // namespace

void AddPortFlags(Options& options, absl::string_view program, GrpcHostOptions* host,
                  DaemonOptions* daemon) {
  AddListenFlag(options, &host->listen, "gRPC").Check(CheckGrpcListen);
  options.Add("http", &host->http, "address of /metrics, /healthz and /readyz, HOST:PORT")
      .Check(CheckHttpListen);
  AddHealthFlag(options, daemon, absl::StrCat("the ", program, " at --http"));
  AddAddressFileFlag(options, daemon, "gRPC's");
  options.Add("http-address-file", &daemon->http_address_file, "the same for --http");
}

absl::StatusOr<std::unique_ptr<GrpcHost>> GrpcHost::Create(const GrpcHostOptions& options,
                                                           std::map<std::string, bool> health,
                                                           RpcMetrics* metrics) {
  std::optional<ApiKeys> keys;
  if (!options.credentials.api_key_file.empty()) {
    S2P_ASSIGN_OR_RETURN(keys, ApiKeys::Read(options.credentials.api_key_file));
  }
  S2P_ASSIGN_OR_RETURN(auto credentials,
                       MakeServerCredentials(options.listen, options.credentials));
  return std::unique_ptr<GrpcHost>(
      new GrpcHost(options, std::move(health), std::move(keys), std::move(credentials), metrics));
}

GrpcHost::GrpcHost(const GrpcHostOptions& options, std::map<std::string, bool> health,
                   std::optional<ApiKeys> keys,
                   std::shared_ptr<grpc::ServerCredentials> credentials, RpcMetrics* metrics)
    : options_(options),
      credentials_(std::move(credentials)),
      gate_(std::move(keys), options.call_log, metrics),
      health_(health) {
  for (const auto& [service, serving] : health) {
    if (service != kWholeServer) names_.push_back(service);
  }
}

GrpcHost::~GrpcHost() {
  EndCalls(absl::ZeroDuration(), nullptr);
  Close();
}

absl::Status GrpcHost::Start(const std::vector<grpc::Service*>& services,
                             std::function<std::string()> metrics, std::function<bool()> ready) {
  S2P_RETURN_IF_ERROR(StartGrpc(services));
  HttpEndpointOptions http_options;
  http_options.listen = options_.http;
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
  // A taken port is an error: two servers must never take turns answering on one.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kShortestPingIntervalMs);
  builder.SetMaxReceiveMessageSize(static_cast<int>(options_.max_message_bytes));
  builder.AddListeningPort(is_socket_file ? options_.listen : address.ToString(), credentials_,
                           &port);
  for (grpc::Service* service : services) builder.RegisterService(service);
  builder.RegisterService(&health_);
  AnswerUnreadableRequests(names_, &builder);
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

void GrpcHost::EndCalls(absl::Duration drain,
                        const std::function<void(absl::Duration)>& stop_streams) {
  health_.Stop();
  if (stop_streams != nullptr) stop_streams(std::min(drain, kStreamDrain));
  if (grpc_ != nullptr) grpc_->Shutdown(absl::ToChronoTime(absl::Now() + drain));
}

void GrpcHost::Close() {
  grpc_.reset();
  if (http_ != nullptr) http_->Stop();
}

}  // namespace s2p
