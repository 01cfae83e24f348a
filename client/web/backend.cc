#include "client/web/backend.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "base/user_key.h"
#include "client/connection/grpc_channel.h"
#include "client/web/http_error.h"
#include "daemon/log.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

// Interval for checking whether the browser is still connected: a sketch that nobody waits for
// should not reach the encoder.
constexpr absl::Duration kClientCheckInterval = absl::Milliseconds(10);
constexpr char kPushbackKey[] = "grpc-retry-pushback-ms";
// Our servers return it with each call that they end themselves.
constexpr char kRequestIdKey[] = "x-request-id";

// The words that a visitor reads for a call that gRPC, and no server, has ended with this code:
// gRPC's own name addresses. Empty for a code whose words do not.
absl::string_view WordsFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return "the search server does not answer";
    case absl::StatusCode::kDeadlineExceeded:
      return "the search server did not answer in time";
    case absl::StatusCode::kUnimplemented:
      return "the search server does not know this call";
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return "the answer of the search server cannot be read";
    default:
      return "";
  }
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelTo(ClientOptions options) {
  options.retry = false;
  return MakeChannel(options, "", "--insecure-key");
}

// Null if the key is not in a file.
absl::StatusOr<std::shared_ptr<Reloaded<std::string>>> WatchKey(const ClientOptions& client,
                                                                const BackendOptions& backend) {
  if (client.api_key_file.empty()) return nullptr;
  ReloadedOptions<std::string> key;
  key.paths = {client.api_key_file};
  key.read = [client]() -> absl::StatusOr<std::string> {
    ClientOptions read = client;
    S2P_RETURN_IF_ERROR(ReadApiKey(read));
    return read.api_key;
  };
  key.report = [count = backend.count_reload](const absl::Status& status, const std::string&,
                                              const std::string&) {
    ReportReload("API key of the servers", "api_key", status, count);
  };
  key.interval = backend.reload_interval;
  return Reloaded<std::string>::Create(std::move(key));
}

}  // namespace

// Those of one channel. The trainer has the last one alone.
struct Backend::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : search(v1::SearchService::NewStub(channel)),
        gallery(v1::GalleryService::NewStub(channel)),
        feedback(v1::FeedbackService::NewStub(channel)),
        model(v1::ModelService::NewStub(channel)),
        training(v1::TrainingService::NewStub(channel)) {}

  std::shared_ptr<v1::SearchService::Stub> search;
  std::shared_ptr<v1::GalleryService::Stub> gallery;
  std::shared_ptr<v1::FeedbackService::Stub> feedback;
  std::shared_ptr<v1::ModelService::Stub> model;
  std::shared_ptr<v1::TrainingService::Stub> training;
};

absl::StatusOr<Backend::Endpoint> Backend::Connect(ClientOptions options,
                                                   std::shared_ptr<Reloaded<std::string>> key,
                                                   const BackendOptions& backend) {
  Endpoint endpoint{std::move(options), std::move(key), nullptr};
  ReloadedOptions<Stubs> stubs;
  const ClientOptions& client = endpoint.options;
  for (const std::string* const path : {&client.tls_ca, &client.tls_cert, &client.tls_key}) {
    if (!path->empty()) stubs.paths.push_back(*path);
  }
  stubs.read = [now = endpoint.Now()]() -> absl::StatusOr<Stubs> {
    S2P_ASSIGN_OR_RETURN(const auto channel, ChannelTo(now));
    return Stubs(channel);
  };
  if (!stubs.paths.empty()) {
    stubs.report = [count = backend.count_reload](const absl::Status& status, const Stubs&,
                                                  const Stubs&) {
      ReportReload("certificates for the servers", "tls", status, count);
    };
  }
  stubs.interval = backend.reload_interval;
  S2P_ASSIGN_OR_RETURN(endpoint.stubs, Reloaded<Stubs>::Create(std::move(stubs)));
  return endpoint;
}

absl::StatusOr<std::unique_ptr<Backend>> Backend::Create(BackendOptions options) {
  S2P_ASSIGN_OR_RETURN(auto key, WatchKey(options.server, options));
  S2P_ASSIGN_OR_RETURN(auto server, Connect(options.server, key, options));
  std::optional<Endpoint> trainer;
  if (options.trainer.has_value()) {
    // Usually the key is in the same file, which is then read once.
    if (options.trainer->api_key_file != options.server.api_key_file) {
      S2P_ASSIGN_OR_RETURN(key, WatchKey(*options.trainer, options));
    }
    S2P_ASSIGN_OR_RETURN(trainer, Connect(*options.trainer, key, options));
  }
  return std::unique_ptr<Backend>(new Backend(std::move(server), std::move(trainer)));
}

ClientOptions Backend::Endpoint::Now() const {
  ClientOptions now = options;
  if (key != nullptr) now.api_key = *key->Get();
  return now;
}

std::shared_ptr<v1::SearchService::Stub> Backend::search() { return server_.stubs->Get()->search; }

std::shared_ptr<v1::FeedbackService::Stub> Backend::feedback() {
  return server_.stubs->Get()->feedback;
}

std::shared_ptr<v1::GalleryService::Stub> Backend::gallery() {
  return server_.stubs->Get()->gallery;
}

std::shared_ptr<v1::ModelService::Stub> Backend::model() { return server_.stubs->Get()->model; }

std::shared_ptr<v1::TrainingService::Stub> Backend::training() {
  return trainer_->stubs->Get()->training;
}

Backend::Backend(Endpoint server, std::optional<Endpoint> trainer)
    : server_(std::move(server)), trainer_(std::move(trainer)) {}

Backend::~Backend() {
  absl::MutexLock lock(&mutex_);
  const auto none = [this] {
    mutex_.AssertReaderHeld();
    return under_way_.empty();
  };
  mutex_.Await(absl::Condition(&none));
}

void Backend::Enter(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  if (ended_) context->TryCancel();
  under_way_.insert(context);
}

void Backend::Leave(grpc::ClientContext* context) {
  absl::MutexLock lock(&mutex_);
  under_way_.erase(context);
}

void Backend::CancelAll() {
  absl::MutexLock lock(&mutex_);
  ended_ = true;
  for (grpc::ClientContext* const context : under_way_) context->TryCancel();
}

ForwardedCall::ForwardedCall(Backend& backend, To to, const Exchange& exchange, bool has_deadline)
    : ForwardedCall(backend, to, CallOrigin{exchange.request_id, exchange.user}, exchange.timeout,
                    has_deadline) {}

ForwardedCall::ForwardedCall(Backend& backend, To to, const CallOrigin& origin,
                             absl::Duration timeout, bool has_deadline)
    : backend_(backend), to_(to), request_id_(origin.request_id) {
  ClientOptions options = (to == To::kServer ? backend.server_ : *backend.trainer_).Now();
  options.timeout = timeout;
  Prepare(options, has_deadline, context_);
  context_.AddMetadata(kRequestIdKey, origin.request_id);
  if (!origin.user.empty()) context_.AddMetadata(kUserKey, origin.user);
  backend_.Enter(&context_);
}

ForwardedCall::~ForwardedCall() { backend_.Leave(&context_); }

absl::Status ForwardedCall::Await(const Exchange& exchange,
                                  const std::function<void(Done)>& start) {
  absl::Mutex mutex;
  SteadyWait changed;
  std::optional<grpc::Status> status;
  start([&](grpc::Status result) {
    absl::MutexLock lock(&mutex);
    status = std::move(result);
    changed.NotifyAll();
  });
  const auto has_ended_by = [&](SteadyTime deadline) {
    absl::MutexLock lock(&mutex);
    return changed.Until(&mutex, deadline, [&] { return status.has_value(); });
  };
  while (!has_ended_by(SteadyTime::Now() + kClientCheckInterval)) {
    if (!exchange.request.client_gone()) continue;
    context_.TryCancel();
    // This is quick: a cancelled call ends on this side, whatever the server does.
    has_ended_by(SteadyTime::InfiniteFuture());
  }
  absl::Status result = StatusOf(*status);
  if (!absl::IsCancelled(result) || exchange.request.client_gone()) return result;
  return absl::UnavailableError("the gateway is shutting down");
}

absl::Status ForwardedCall::StatusOf(const grpc::Status& status) const {
  const bool is_server = to_ == To::kServer;
  const ClientOptions& options = (is_server ? backend_.server_ : *backend_.trainer_).options;
  absl::Status result =
      FromGrpc(status, options.server, is_server ? "s2p-server" : "s2p-trainer serve");
  if (absl::IsUnauthenticated(result) || absl::IsPermissionDenied(result)) {
    return ForVisitors(
        absl::InternalError(absl::StrCat(options.server, " refuses this gateway's key (",
                                         result.message(), "): set --api-key")),
        "the server refuses this gateway's key");
  }
  const auto& trailers = context_.GetServerTrailingMetadata();
  if (trailers.count(kRequestIdKey) == 0) result = ForVisitors(result, WordsFor(result.code()));
  if (!absl::IsResourceExhausted(result)) return WithServerLimits(result);
  const auto pushback = trailers.find(kPushbackKey);
  int64_t milliseconds = 0;
  if (pushback == trailers.end() ||
      !absl::SimpleAtoi(absl::string_view(pushback->second.data(), pushback->second.size()),
                        &milliseconds) ||
      milliseconds < 0) {
    return result;
  }
  // A server that is called too often names the key, or the gateway's address, and logs it itself.
  return BusyError(is_server ? "the server is busy" : result.message(),
                   absl::Milliseconds(milliseconds));
}

absl::Status ForwardedCall::ForVisitors(const absl::Status& status, absl::string_view words) const {
  if (to_ == To::kTrainer || words.empty()) return status;
  LogWarning("a call to the server failed", {{"request_id", request_id_}, {"error", status}});
  return absl::Status(status.code(), words);
}

}  // namespace s2p
