// The gateway: serves HTTP to browsers and calls our servers over gRPC.
#ifndef S2P_CLIENT_WEB_WEB_SERVER_H_
#define S2P_CLIENT_WEB_WEB_SERVER_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "client/web/gallery_training.h"
#include "client/web/router.h"
#include "daemon/http/tls_files.h"

namespace s2p {

struct WebServerOptions {
  // HOST:PORT; port 0 picks a free one.
  std::string listen = "127.0.0.1:8080";
  // Plain HTTP without it.
  HttpTlsOptions tls;
  // The least time between two looks at the files that are read again when they change.
  std::chrono::steady_clock::duration reload_interval = std::chrono::seconds(1);
  // Whether to allow plain HTTP beyond loopback.
  bool insecure = false;
  // Whether to allow, beyond loopback, that everyone is an operator.
  bool no_login = false;
  // Files of keys are read again when they change.
  ClientOptions server;
  // If unset, the operator's view has no training jobs.
  std::optional<ClientOptions> trainer;
  // Training that begins with the photos of the gallery; needs a trainer.
  GalleryTrainingOptions gallery_training;
  // File of the operators' password (ReadPasswordFile), which is read again when it changes; empty:
  // everyone who reaches the page is an operator.
  std::string operator_password_file;
  // The header in which a proxy names an operator who has logged in with it; empty: none does.
  // Needs trusted_proxies.
  std::string login_header;
  // Addresses and networks ("10.0.0.0/8") of proxies, which are believed who their client is, by
  // X-Forwarded-For and the login header.
  std::vector<std::string> trusted_proxies;
  RouterOptions router;
  // Drawings that one client (AddressGroup) may send as feedback in a second, on average; 20 may
  // come at once. The server keeps them, so no single client may fill its store. 0: any number.
  double feedback_per_second_per_address = 1;
  // Threads for requests; a request uses one from its last byte until its answer is made. Those of
  // one client (AddressGroup) use at most half.
  int threads = 96;
  // Largest number of open event streams, none of which uses a thread.
  int max_streams = 32;
  // Originals of photos that are sent at a time, none of which uses a thread: places that clients
  // share (CallPlaces), so up to twice as many in all. At most 100, since all keys of a server
  // share its max_photos_sent, and clients that do not read could leave no thumbnail.
  int max_originals = 32;
  // As in HttpServerOptions.
  int max_connections = 1024;
  int max_connections_per_address = 256;
  uint64_t body_budget_bytes = uint64_t{128} << 20;
  // Version of this program.
  std::string version;
};

// Serves from Start to Stop or destruction. Has no model: everything it shows comes from the
// servers. Thread-safe.
class WebServer {
 public:
  // InvalidArgument names a bad option; Unavailable names the address if it cannot be bound. As
  // ReadPasswordFile and Backend::Create for their files.
  static absl::StatusOr<std::unique_ptr<WebServer>> Start(WebServerOptions options);
  ~WebServer();
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  // HOST:PORT as bound.
  const std::string& address() const;

  // Health says 503 from now on, and requests are still answered, so that balancers can send the
  // next ones elsewhere before Stop.
  void StopServing();
  // Closes the port, ends the calls in flight, and waits for their responses. Can be called again.
  void Stop();

 private:
  struct Impl;
  explicit WebServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_WEB_SERVER_H_
