#include "daemon/http_endpoint.h"

#include <httplib.h>

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/http_listener.h"

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
  auto impl = std::make_unique<Impl>();
  httplib::Server& server = impl->server;
  SetRoutes(options, &server);
  server.new_task_queue = [threads = options.threads] { return new httplib::ThreadPool(threads); };
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.set_payload_max_length(kMaxBodyBytes);
  // A connection that is kept open would hold one of the few threads.
  server.set_keep_alive_max_count(1);
  S2P_ASSIGN_OR_RETURN(const ListenAddress address, BindHttp(options.listen, server));
  impl->port = address.port;
  impl->address = address.ToString();
  Impl* raw = impl.get();
  impl->thread = std::thread([raw] { raw->server.listen_after_bind(); });
  // Stop has no effect before the loop runs, so the object must not be returned earlier.
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
