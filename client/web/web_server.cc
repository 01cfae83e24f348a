#include "client/web/web_server.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/backend.h"
#include "client/web/event_streams.h"
#include "client/web/metrics.h"
#include "client/web/operator_sessions.h"
#include "client/web/routes.h"
#include "client/web/trusted_proxy.h"
#include "daemon/callers/call_places.h"
#include "daemon/http/client_address.h"
#include "daemon/http/http_server.h"
#include "daemon/listen_address.h"
#include "daemon/reload_report.h"
#include "daemon/reloaded.h"

namespace s2p {
namespace {

// Requests that may wait, for each thread.
constexpr int kWaitingPerThread = 4;
// The drawings that one client may send at once: someone marks the results of a page.
constexpr double kFeedbackAtOnce = 20;
// A compressed body is held next to what it unpacks to, in steps of this size.
constexpr uint64_t kUnpackingBytes = 1 << 20;

// Beyond loopback, without a login, anyone who reaches the page could delete its photos.
absl::Status CheckLogin(const WebServerOptions& options) {
  S2P_ASSIGN_OR_RETURN(const ListenAddress listen, ParseListenAddress(options.listen));
  const bool has_login = !options.operator_password_file.empty() || !options.login_header.empty() ||
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
  if (options.max_originals < 1 || options.max_originals > 100) {
    return absl::InvalidArgumentError(
        absl::StrCat("max-originals: ", options.max_originals, " is not between 1 and 100"));
  }
  if (!options.login_header.empty() && options.trusted_proxies.empty()) {
    return absl::InvalidArgumentError(
        "--login-header needs --trusted-proxy: anyone could send this header");
  }
  if (!options.gallery_training.export_dir.empty() && !options.trainer.has_value()) {
    return absl::InvalidArgumentError("--export-dir needs --trainer: nobody would train on it");
  }
  S2P_RETURN_IF_ERROR(CheckListenAddress(options.listen, options.tls.enabled(), options.insecure,
                                         "--http-tls-cert and --http-tls-key"));
  return CheckLogin(options);
}

HttpServerOptions HttpOptions(const WebServerOptions& options, const TrustedProxy& proxy) {
  HttpServerOptions http;
  http.listen = options.listen;
  http.tls = options.tls;
  http.tls_reload_interval = options.reload_interval;
  http.threads = options.threads;
  http.max_waiting = kWaitingPerThread * options.threads;
  http.max_connections = options.max_connections;
  http.max_connections_per_address = options.max_connections_per_address;
  http.body_budget_bytes = options.body_budget_bytes;
  // Half, so that one address cannot take all; but the largest body must fit.
  http.body_bytes_per_address =
      std::max(options.body_budget_bytes / 2, 2 * options.router.max_body_bytes + kUnpackingBytes);
  http.is_proxy = [&proxy](absl::string_view address) { return proxy.IsProxy(address); };
  return http;
}

}  // namespace

struct WebServer::Impl {
  Impl(WebServerOptions given, AddressSet proxies)
      : options(std::move(given)),
        proxy(std::move(proxies), options.login_header),
        metrics(options.version),
        sessions(PasswordSource(), proxy.logs_in()),
        streams(options.max_streams, &metrics),
        originals(options.max_originals),
        router(options.router, &sessions, &proxy, &metrics) {}

  // Null without a file.
  OperatorSessions::Password PasswordSource() {
    if (options.operator_password_file.empty()) return nullptr;
    return [this] { return password->Get(); };
  }
  ReloadCounter CountReloads() {
    return [this](absl::string_view files, bool ok) { metrics.CountReload(files, ok); };
  }
  absl::Status WatchPassword();
  absl::Status ConnectBackend();
  void AddRoutes();

  const WebServerOptions options;
  const TrustedProxy proxy;
  WebMetrics metrics;
  std::atomic<bool> serving{true};
  // Null without a file; set before the first request.
  std::unique_ptr<Reloaded<std::string>> password;
  OperatorSessions sessions;
  EventStreams streams;
  CallPlaces originals;
  std::unique_ptr<Backend> backend;
  // Null without a folder to export into.
  std::unique_ptr<GalleryTraining> gallery_training;
  Router router;
  std::unique_ptr<HttpServer> http;
  std::string address;
};

absl::Status WebServer::Impl::WatchPassword() {
  if (options.operator_password_file.empty()) return absl::OkStatus();
  ReloadedOptions<std::string> file;
  file.paths = {options.operator_password_file};
  file.read = [path = options.operator_password_file] { return ReadPasswordFile(path); };
  file.report = [count = CountReloads()](const absl::Status& status, const std::string&,
                                         const std::string&) {
    ReportReload("password of the operators", "password", status, count);
  };
  file.interval = options.reload_interval;
  S2P_ASSIGN_OR_RETURN(password, Reloaded<std::string>::Create(std::move(file)));
  return absl::OkStatus();
}

absl::Status WebServer::Impl::ConnectBackend() {
  BackendOptions to;
  to.server = options.server;
  to.trainer = options.trainer;
  to.reload_interval = options.reload_interval;
  to.count_reload = CountReloads();
  S2P_ASSIGN_OR_RETURN(backend, Backend::Create(std::move(to)));
  return absl::OkStatus();
}

void WebServer::Impl::AddRoutes() {
  AddApiRoutes(*backend, router);
  router.LimitRate("POST", "/api/feedback", options.feedback_per_second_per_address,
                   kFeedbackAtOnce);
  AddPhotoRoutes(*backend, originals, router);
  AddWatchRoutes(*backend, streams, router);
  SessionRouteOptions session;
  session.has_trainer = backend->has_trainer();
  session.max_body_bytes = options.router.max_body_bytes;
  if (!options.gallery_training.export_dir.empty()) {
    gallery_training = std::make_unique<GalleryTraining>(options.gallery_training, backend.get());
    AddGalleryTrainingRoutes(*gallery_training, router);
    session.has_gallery_training = true;
  }
  AddSessionRoutes(session, sessions, proxy, router);
  AddPageRoutes([this] { return metrics.Text(); }, [this] { return serving.load(); }, router);
}

absl::StatusOr<std::unique_ptr<WebServer>> WebServer::Start(WebServerOptions options) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  S2P_ASSIGN_OR_RETURN(auto proxies, AddressSet::Parse(options.trusted_proxies));
  auto impl = std::make_unique<Impl>(std::move(options), std::move(proxies));
  Impl& self = *impl;
  S2P_RETURN_IF_ERROR(self.WatchPassword());
  S2P_RETURN_IF_ERROR(self.ConnectBackend());
  self.AddRoutes();
  HttpServerOptions http = HttpOptions(self.options, self.proxy);
  http.count_reload = self.CountReloads();
  S2P_ASSIGN_OR_RETURN(self.http, HttpServer::Start(std::move(http), &self.router));
  self.address = self.http->address().ToString();
  return std::unique_ptr<WebServer>(new WebServer(std::move(impl)));
}

WebServer::WebServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebServer::~WebServer() { Stop(); }

const std::string& WebServer::address() const { return impl_->address; }

void WebServer::StopServing() { impl_->serving = false; }

void WebServer::Stop() {
  if (impl_->gallery_training != nullptr) impl_->gallery_training->Cancel();
  impl_->backend->CancelAll();
  impl_->http->Stop();
}

}  // namespace s2p
