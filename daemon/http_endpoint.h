// The HTTP port of a long-running program: metrics for Prometheus and probes for an orchestrator.
#ifndef S2P_DAEMON_HTTP_ENDPOINT_H_
#define S2P_DAEMON_HTTP_ENDPOINT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/http/tls_files.h"
#include "daemon/reload_report.h"

namespace s2p {

struct HttpEndpointOptions {
  // HOST:PORT; port 0 picks a free one.
  std::string listen = "127.0.0.1:9464";
  // Plain HTTP without it.
  HttpTlsOptions tls;
  // As in HttpServerOptions.
  std::chrono::steady_clock::duration tls_reload_interval = std::chrono::seconds(1);
  ReloadCounter count_reload;
  // Returns the answer to GET /metrics, in Prometheus's text format. Must be thread-safe.
  std::function<std::string()> metrics = [] { return std::string(); };
  // Decides GET /readyz: 200 for true, 503 for false. Must be thread-safe and must not block.
  std::function<bool()> ready = [] { return true; };
  // Threads that call `metrics`, 1 to 64. Clients, however slow, hold none, and the requests of one
  // address (AddressGroup) at most half.
  int threads = 4;
};

// Serves GET /metrics, /healthz (200 as long as the process lives) and /readyz; everything else is
// 404. The probes are answered by the network's thread, so also while `metrics` is being called on
// all the others. Runs from Start to Stop or destruction. Thread-safe.
//
// Asks for no key: its answers are not secret, but bind it to an interface that only the monitoring
// can reach.
class HttpEndpoint {
 public:
  // InvalidArgument names a bad option, or why the TLS files cannot be used. Unavailable names an
  // address that cannot be bound: it is taken (ports are never shared between servers), or not this
  // machine's.
  static absl::StatusOr<std::unique_ptr<HttpEndpoint>> Start(HttpEndpointOptions options);
  ~HttpEndpoint();
  HttpEndpoint(const HttpEndpoint&) = delete;
  HttpEndpoint& operator=(const HttpEndpoint&) = delete;

  // The bound port, also if 0 was requested.
  int port() const;
  // HOST:PORT as bound.
  const std::string& address() const;

  // Closes the port and waits for running requests. Idempotent.
  void Stop();

 private:
  struct Impl;
  explicit HttpEndpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_HTTP_ENDPOINT_H_
