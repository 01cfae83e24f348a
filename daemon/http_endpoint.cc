#include "daemon/http_endpoint.h"

#include <httplib.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/listen_address.h"

namespace s2p {
namespace {

constexpr int kTimeoutSeconds = 5;
constexpr size_t kMaxBodyBytes = 4096;
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

void SetRoutes(const HttpEndpointOptions& options, httplib::Server* server) {
  server->Get("/metrics",
              [metrics = options.metrics](const httplib::Request&, httplib::Response& response) {
                response.set_content(metrics(), kMetricsType);
              });
  server->Get("/healthz", [](const httplib::Request&, httplib::Response& response) {
    response.set_content("ok\n", "text/plain");
  });
  server->Get("/readyz",
              [ready = options.ready](const httplib::Request&, httplib::Response& response) {
                const bool is_ready = ready();
                response.status = is_ready ? 200 : 503;
                response.set_content(is_ready ? "ok\n" : "not ready\n", "text/plain");
              });
}

}  // namespace

struct HttpEndpoint::Impl {
  httplib::Server server;
  int port = 0;
  std::string address;
  std::once_flag stopped;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(HttpEndpointOptions options) {
  if (options.threads < 1 || options.threads > 64) {
    return absl::InvalidArgumentError(
        absl::StrCat("HTTP threads: ", options.threads, " is not between 1 and 64"));
  }
  absl::StatusOr<ListenAddress> address = ParseListenAddress(options.listen);
  if (!address.ok()) return address.status();

  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  SetRoutes(options, &server);
  server.new_task_queue = [threads = options.threads] { return new httplib::ThreadPool(threads); };
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.set_payload_max_length(kMaxBodyBytes);
  // An idle connection that is kept holds one of the few threads.
  server.set_keep_alive_max_count(1);
  // The library's default is SO_REUSEPORT, with which a second program gets the port as well.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });

  errno = 0;
  if (address->port == 0) {
    impl->port = server.bind_to_any_port(address->host);
  } else {
    impl->port = server.bind_to_port(address->host, address->port) ? address->port : -1;
  }
  if (impl->port <= 0) {
    const int error = errno;
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address->ToString(), " for HTTP: ",
                     error == EADDRINUSE ? "another program has this port"
                     : error != 0        ? std::strerror(error)
                                         : "it is not an address of this machine"));
  }
  address->port = static_cast<uint16_t>(impl->port);
  impl->address = address->ToString();
  Impl* raw = impl.get();
  impl->thread = std::thread([raw] { raw->server.listen_after_bind(); });
  // Stop has no effect before the loop runs, so nobody may have the object until then.
  while (!server.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpEndpoint::~HttpEndpoint() { Stop(); }

int HttpEndpoint::port() const { return impl_->port; }
const std::string& HttpEndpoint::address() const { return impl_->address; }

void HttpEndpoint::Stop() {
  std::call_once(impl_->stopped, [this] {
    impl_->server.stop();
    impl_->thread.join();
  });
}

}  // namespace s2p
