// The gateway: serves HTTP to browsers and calls our servers over gRPC.
#ifndef S2P_CLIENT_WEB_WEB_SERVER_H_
#define S2P_CLIENT_WEB_WEB_SERVER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "client/web/router.h"

namespace s2p {

struct WebServerOptions {
  // HOST:PORT; port 0 picks a free one.
  std::string listen = "127.0.0.1:8080";
  // Whether to allow plain HTTP beyond loopback.
  bool insecure = false;
  ClientOptions server;
  // If unset, the operator's view has no training jobs.
  std::optional<ClientOptions> trainer;
  // The operators' password; if empty, everyone who reaches the page is an operator.
  std::string operator_password;
  RouterOptions router;
  // Threads for requests; each request and each event stream uses one while it lasts.
  int threads = 96;
  // Largest number of open event streams, less than `threads`.
  int max_streams = 32;
  // Version of this program.
  std::string version;
};

// Serves from Start to Stop or destruction. Has no model: everything it shows comes from the
// servers. Thread-safe.
class WebServer {
 public:
  // InvalidArgument names a bad option; Unavailable names the address if it cannot be bound.
  static absl::StatusOr<std::unique_ptr<WebServer>> Start(WebServerOptions options);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // HOST:PORT as bound.
  const std::string& address() const;

  // Closes the port, ends the calls in flight, and waits for their responses. Can be called again.
  void Stop();

 private:
  struct Impl;
  explicit WebServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_WEB_SERVER_H_
