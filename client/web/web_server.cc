#include "client/web/web_server.h"

#include <httplib.h>

#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/web/backend.h"
#include "client/web/event_streams.h"
#include "client/web/metrics.h"
#include "client/web/operator_sessions.h"
#include "client/web/routes.h"
#include "daemon/http_listener.h"
#include "daemon/listen_address.h"

namespace s2p {
namespace {

constexpr int kReadSeconds = 20;
constexpr int kWriteSeconds = 20;

absl::Status CheckOptions(const WebServerOptions& options) {
  if (options.threads < 2 || options.threads > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("threads: ", options.threads, " is not between 2 and 1024"));
  }
  if (options.max_streams < 0 || options.max_streams >= options.threads) {
    return absl::InvalidArgumentError(absl::StrCat("max-streams: ", options.max_streams,
                                                   " must be less than the ", options.threads,
                                                   " threads"));
  }
  return CheckListenAddress(options.listen, /*has_tls=*/false, options.insecure);
}

}  // namespace

struct WebServer::Impl {
  explicit Impl(WebServerOptions given)
      : options(std::move(given)),
        metrics(options.version),
        sessions(options.operator_password),
        streams(options.max_streams, &metrics),
        router(options.router, &sessions, &metrics) {}

  const WebServerOptions options;
  WebMetrics metrics;
  OperatorSessions sessions;
  EventStreams streams;
  std::unique_ptr<Backend> backend;
  Router router;
  httplib::Server http;
  std::string address;
  std::once_flag stopped;
  std::thread thread;
};

absl::StatusOr<std::unique_ptr<WebServer>> WebServer::Start(WebServerOptions options) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  S2P_ASSIGN_OR_RETURN(auto backend, Backend::Create(options.server, options.trainer));
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl& self = *impl;
  self.backend = std::move(backend);
  AddApiRoutes(*self.backend, self.router);
  AddPhotoRoutes(*self.backend, self.router);
  AddWatchRoutes(*self.backend, self.streams, self.router);
  AddSessionRoutes({self.backend->has_trainer(), self.options.router.max_body_bytes}, self.sessions,
                   self.router);
  AddPageRoutes([&self] { return self.metrics.Text(); }, self.router);
  self.router.Attach(self.http);
  self.http.new_task_queue = [threads = self.options.threads] {
    return new httplib::ThreadPool(static_cast<size_t>(threads));
  };
  self.http.set_read_timeout(kReadSeconds);
  self.http.set_write_timeout(kWriteSeconds);
  // The router limits bodies itself, including chunked and compressed ones.
  self.http.set_payload_max_length(std::numeric_limits<size_t>::max());
  // One request per connection: an idle connection would hold a thread, and the rest of a refused
  // request cannot be taken for the next one.
  self.http.set_keep_alive_max_count(1);
  S2P_ASSIGN_OR_RETURN(auto address, BindHttp(self.options.listen, self.http));
  self.address = address.ToString();
  self.thread = std::thread([&self] { self.http.listen_after_bind(); });
  // Stop has no effect before the loop runs, so the object is not returned until then.
  while (!self.http.is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return std::unique_ptr<WebServer>(new WebServer(std::move(impl)));
}

WebServer::WebServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebServer::~WebServer() { Stop(); }

const std::string& WebServer::address() const { return impl_->address; }

void WebServer::Stop() {
  std::call_once(impl_->stopped, [this] {
    impl_->backend->CancelAll();
    impl_->http.stop();
    impl_->thread.join();
  });
}

}  // namespace s2p
