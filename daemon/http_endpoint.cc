#include "daemon/http_endpoint.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/http/client_address.h"
#include "daemon/http/http_server.h"

namespace s2p {
namespace {

constexpr int kMaxThreads = 64;
constexpr uint64_t kMaxBodyBytes = 4096;
constexpr int kMaxConnections = 512;
constexpr int kMaxConnectionsPerAddress = 128;
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kTextType[] = "text/plain";

HttpResponse Plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.SetBody(std::move(text), kTextType);
  return response;
}

class EndpointHandler : public HttpHandler {
 public:
  EndpointHandler(std::function<std::string()> metrics, std::function<bool()> ready)
      : metrics_(std::move(metrics)), ready_(std::move(ready)) {}

  HttpAdmission Admit(const HttpRequest& request) override {
    HttpAdmission admission;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (reads && request.path == "/healthz") {
      admission.answer = Plain(200, "ok\n");
    } else if (reads && request.path == "/readyz") {
      admission.answer = ready_() ? Plain(200, "ok\n") : Plain(503, "not ready\n");
    } else if (reads && request.path == "/metrics") {
      admission.max_body_bytes = kMaxBodyBytes;
      admission.caller = AddressGroup(request.remote_address);
    } else {
      admission.answer = Plain(404, "");
    }
    return admission;
  }

  HttpResponse Answer(HttpRequest&) override {
    HttpResponse response;
    response.SetBody(metrics_(), kMetricsType);
    return response;
  }

  HttpResponse Refuse(const HttpRequest&, int status, absl::string_view message) override {
    return Plain(status, absl::StrCat(message, "\n"));
  }

  void Record(const HttpRequest&, int) override {}

 private:
  const std::function<std::string()> metrics_;
  const std::function<bool()> ready_;
};

}  // namespace

struct HttpEndpoint::Impl {
  explicit Impl(const HttpEndpointOptions& options) : handler(options.metrics, options.ready) {}

  EndpointHandler handler;
  std::unique_ptr<HttpServer> server;
  std::string address;
};

absl::StatusOr<std::unique_ptr<HttpEndpoint>> HttpEndpoint::Start(HttpEndpointOptions options) {
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("HTTP threads: ", options.threads, " is not between 1 and ", kMaxThreads));
  }
  HttpServerOptions http;
  http.listen = options.listen;
  http.tls = options.tls;
  http.tls_reload_interval = options.tls_reload_interval;
  http.count_reload = options.count_reload;
  http.threads = options.threads;
  http.max_connections = kMaxConnections;
  http.max_connections_per_address = kMaxConnectionsPerAddress;
  auto impl = std::make_unique<Impl>(options);
  S2P_ASSIGN_OR_RETURN(impl->server, HttpServer::Start(std::move(http), &impl->handler));
  impl->address = impl->server->address().ToString();
  return std::unique_ptr<HttpEndpoint>(new HttpEndpoint(std::move(impl)));
}

HttpEndpoint::HttpEndpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpEndpoint::~HttpEndpoint() { Stop(); }

int HttpEndpoint::port() const { return impl_->server->address().port; }
const std::string& HttpEndpoint::address() const { return impl_->address; }
void HttpEndpoint::Stop() { impl_->server->Stop(); }

}  // namespace s2p
