// The gateway: HTTP for browsers in front, gRPC to our servers behind.
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
  // Whether plain HTTP beyond loopback is wanted.
  bool insecure = false;
  ClientOptions server;
  // Unset: no training jobs on the operator's view.
  std::optional<ClientOptions> trainer;
  // Of the operator; empty: everybody who reaches the page is operator.
  std::string operator_password;
  RouterOptions router;
  // Threads that answer: requests under way, and one for each event stream.
  int threads = 96;
  // Event streams open at one time, less than threads.
  int max_streams = 32;
  // Of this program.
  std::string version;
};

// Serves from Start to Stop or destruction. No model in it: what it shows, the servers have told.
// Thread-safe.
class WebServer {
 public:
  // InvalidArgument names a bad option; Unavailable the address if it cannot be bound.
  static absl::StatusOr<std::unique_ptr<WebServer>> Start(WebServerOptions options);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // HOST:PORT as bound.
  const std::string& address() const;

  // Closes the port, ends the calls under way, and waits for their answers. Can be called again.
  void Stop();

 private:
  struct Impl;
  explicit WebServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_WEB_SERVER_H_
