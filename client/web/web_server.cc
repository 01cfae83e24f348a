#include "client/web/web_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/backend.h"
#include "client/web/event_streams.h"
#include "client/web/metrics.h"
#include "client/web/operator_sessions.h"
#include "client/web/routes.h"
#include "client/web/trusted_proxy.h"
#include "daemon/http/client_address.h"
#include "daemon/http/http_server.h"
#include "daemon/listen_address.h"

namespace s2p {
namespace {

// Requests that may wait, for each thread.
constexpr int kWaitingPerThread = 4;

// Beyond loopback, without a login, anyone who reaches the page could delete its photos.
absl::Status CheckLogin(const WebServerOptions& options) {
  S2P_ASSIGN_OR_RETURN(const ListenAddress listen, ParseListenAddress(options.listen));
  const bool has_login = !options.operator_password.empty() || !options.login_header.empty() ||
                         !options.tls.client_ca.empty();
  if (listen.is_loopback() || has_login || options.no_login) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "listening on ", options.listen,
      " would make everyone an operator: give --operator-password-file, --login-header or "
      "--http-tls-client-ca, or --no-login if everyone who can connect may change everything"));
}

absl::Status CheckOptions(const WebServerOptions& options) {
  if (options.threads < 2 || options.threads > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads: ", options.threads, " is not between 2 and 1024"));
  }
  if (options.max_streams < 0) {
    return absl::InvalidArgumentError("max-streams: less than none");
  }
  if (!options.login_header.empty() && options.trusted_proxies.empty()) {
    return absl::InvalidArgumentError(
        "--login-header needs --trusted-proxy: anyone could send this header");
  }
  S2P_RETURN_IF_ERROR(CheckListenAddress(options.listen, options.tls.enabled(), options.insecure,
                                         "--http-tls-cert and --http-tls-key"));
  return CheckLogin(options);
}

HttpServerOptions HttpOptions(const WebServerOptions& options, const TrustedProxy& proxy,
                              WebMetrics& metrics) {
  HttpServerOptions http;
  http.listen = options.listen;
  http.tls = options.tls;
  http.tls_reload_interval = options.reload_interval;
  http.count_reload = [&metrics](absl::string_view files, bool ok) {
    metrics.CountReload(files, ok);
  };
  http.threads = options.threads;
  http.max_waiting = kWaitingPerThread * options.threads;
  http.max_connections = options.max_connections;
  http.max_connections_per_address = options.max_connections_per_address;
  http.body_budget_bytes = options.body_budget_bytes;
  http.is_proxy = [&proxy](absl::string_view address) { return proxy.IsProxy(address); };
  return http;
}

}  // namespace

struct WebServer::Impl {
  Impl(WebServerOptions given, AddressSet proxies)
      : options(std::move(given)),
        proxy(std::move(proxies), options.login_header),
        metrics(options.version),
        sessions(options.operator_password, proxy.logs_in()),
        streams(options.max_streams, &metrics),
        router(options.router, &sessions, &proxy, &metrics) {}

  const WebServerOptions options;
  const TrustedProxy proxy;
  WebMetrics metrics;
  OperatorSessions sessions;
  EventStreams streams;
  std::unique_ptr<Backend> backend;
  Router router;
  std::unique_ptr<HttpServer> http;
  std::string address;
};

absl::StatusOr<std::unique_ptr<WebServer>> WebServer::Start(WebServerOptions options) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  S2P_ASSIGN_OR_RETURN(auto proxies, AddressSet::Parse(options.trusted_proxies));
  S2P_ASSIGN_OR_RETURN(auto backend, Backend::Create(options.server, options.trainer));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(proxies));
  Impl& self = *impl;
  self.backend = std::move(backend);
  AddApiRoutes(*self.backend, self.router);
  AddPhotoRoutes(*self.backend, self.router);
  AddWatchRoutes(*self.backend, self.streams, self.router);
  AddSessionRoutes({self.backend->has_trainer(), self.options.router.max_body_bytes}, self.sessions,
                   self.proxy, self.router);
  AddPageRoutes([&self] { return self.metrics.Text(); }, self.router);
  S2P_ASSIGN_OR_RETURN(
      self.http,
      HttpServer::Start(HttpOptions(self.options, self.proxy, self.metrics), &self.router));
  self.address = self.http->address().ToString();
  return std::unique_ptr<WebServer>(new WebServer(std::move(impl)));
}

WebServer::WebServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebServer::~WebServer() { Stop(); }

const std::string& WebServer::address() const { return impl_->address; }

void WebServer::Stop() {
  impl_->backend->CancelAll();
  impl_->http->Stop();
}

}  // namespace s2p
