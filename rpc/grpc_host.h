// The host of a daemon's gRPC services: ports, credentials, health, and an orderly end.
#ifndef S2P_RPC_GRPC_HOST_H_
#define S2P_RPC_GRPC_HOST_H_

#include <grpcpp/impl/service_type.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/daemon_options.h"
#include "daemon/http/tls_files.h"
#include "daemon/http_endpoint.h"
#include "daemon/options.h"
#include "rpc/call_gate.h"
#include "rpc/credentials.h"
#include "rpc/health_service.h"
#include "rpc/rpc_metrics.h"

namespace s2p {

// The most that the clients of a gRPC port may take, whether they have a key or not. A plain value.
struct ConnectionLimits {
  // Memory for what connections have received and the calls have not taken yet. Beyond it gRPC
  // cancels calls with RESOURCE_EXHAUSTED.
  uint64_t memory_bytes = uint64_t{512} << 20;
  // Calls of one connection at one time, at least 1; more wait at the client. (gRPC 1.51 cannot
  // limit the number of connections; a proxy in front can, see docs/operations.md.)
  int32_t streams = 256;
  // Headers of one call.
  int32_t metadata_bytes = 16 << 10;
  // A connection without calls is closed after this time; 0: never.
  absl::Duration idle = absl::Minutes(10);
  // A connection of this age is closed, so that clients spread over new servers: its calls have
  // `age_grace` to end. 0: never.
  absl::Duration age = absl::ZeroDuration();
  absl::Duration age_grace = absl::Minutes(10);
  // A connection with calls is asked for a sign of life after this time without one, and closed if
  // none comes within `keepalive_timeout`.
  absl::Duration keepalive = absl::Seconds(60);
  absl::Duration keepalive_timeout = absl::Seconds(20);
};

struct GrpcHostOptions {
  // Where gRPC listens: HOST:PORT, where port 0 picks a free one, or unix:PATH.
  std::string listen = "127.0.0.1:50051";
  // HOST:PORT of the HTTP endpoint.
  std::string http = "127.0.0.1:9464";
  HttpTlsOptions http_tls;
  // Allow plain HTTP beyond loopback; so does credentials.insecure.
  bool insecure_http = false;
  CredentialOptions credentials;
  // Tell nobody which services and messages there are.
  bool no_reflection = false;
  // Largest message that a client may send.
  uint64_t max_message_bytes = uint64_t{16} << 20;
  ConnectionLimits connections;
  CallLogOptions call_log;
  AccessOptions access;
};

// Adds --listen, --http, --http-tls-*, --insecure-http, --no-reflection, --health, --address-file
// and --http-address-file, and --max-streams, --max-connection-memory, --max-connection-idle and
// --max-connection-age. `program` is what --help calls the daemon: "server".
void AddPortFlags(Options& options, absl::string_view program, GrpcHostOptions* host,
                  DaemonOptions* daemon);

// The parts of a daemon's end that its host calls. A plain value.
struct CallsEnd {
  // Ends the calls that would otherwise never end; gets the time that clients have to take what was
  // sent to them. Null: there are none.
  std::function<void(absl::Duration grace)> stop_streams;
  // The time is over, or all calls have ended: work that waits for its turn is not worth it any
  // more. Called once, on another thread, while running calls may still use everything. Null:
  // nothing waits.
  std::function<void()> abandon;
};

// The server as a whole, by its name in grpc.health.v1.
inline constexpr char kWholeServer[] = "";

// Runs services of ours on a gRPC port, with health and reflection, and an HTTP endpoint next to
// it. Life: Create, Start, EndCalls, Close. SetServing and the gate are thread-safe; the rest is
// for one thread at a time.
class GrpcHost {
 public:
  // Checks the options, reads keys and certificates and opens the audit log, but no port yet.
  // `health` has the first state of each service by its full name, and of kWholeServer. `metrics`
  // is borrowed. InvalidArgument names a bad option; NotFound or PermissionDenied a file that
  // cannot be read.
  static absl::StatusOr<std::unique_ptr<GrpcHost>> Create(const GrpcHostOptions& options,
                                                          std::map<std::string, bool> health,
                                                          RpcMetrics* metrics);
  // As EndCalls without a drain, then Close.
  ~GrpcHost();
  GrpcHost(const GrpcHost&) = delete;
  GrpcHost& operator=(const GrpcHost&) = delete;

  // Every call of the services passes it; those of health and reflection, which need no key, do
  // not. Lives as long as the host.
  CallGate* gate() { return &gate_; }

  // Opens both ports. `services` are borrowed until Close; `metrics` and `ready` are as in
  // HttpEndpointOptions. Unavailable names an address that cannot be bound. Call once.
  absl::Status Start(const std::vector<grpc::Service*>& services,
                     std::function<std::string()> metrics, std::function<bool()> ready);

  // Sets the answer of grpc.health.v1 for a service, which must be one of those of Create.
  void SetServing(const std::string& service, bool serving);

  // The addresses as bound.
  const std::string& address() const { return address_; }
  const std::string& http_address() const { return http_->address(); }

  // Reports NOT_SERVING from now on, and still answers calls, so that balancers can send them
  // elsewhere before EndCalls. Idempotent.
  void StopServing();

  // StopServing, then ends streams, refuses new calls, waits for the others and cancels those that
  // have not ended `drain` after the call of this. Returns when all have ended, which takes longer
  // where work cannot be interrupted. Idempotent.
  void EndCalls(absl::Duration drain, const CallsEnd& end);

  // Frees the gRPC port and its calls, then the HTTP port. After EndCalls and the end of all work
  // that calls had started. Idempotent.
  void Close();

 private:
  GrpcHost(const GrpcHostOptions& options, std::map<std::string, bool> health,
           std::unique_ptr<AuditLog> audit, std::unique_ptr<Reloaded<ApiKeys>> keys,
           std::shared_ptr<grpc::ServerCredentials> credentials, RpcMetrics* metrics);
  absl::Status StartGrpc(const std::vector<grpc::Service*>& services);

  const GrpcHostOptions options_;
  const std::shared_ptr<grpc::ServerCredentials> credentials_;
  RpcMetrics* const metrics_;
  CallGate gate_;
  HealthService health_;
  std::unique_ptr<grpc::Server> grpc_;
  std::unique_ptr<HttpEndpoint> http_;
  std::string address_;
};

}  // namespace s2p

#endif  // S2P_RPC_GRPC_HOST_H_
