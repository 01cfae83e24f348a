#include "rpc/health_service.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/support/method_handler.h>
#include <grpcpp/support/server_callback.h>

#include <optional>
#include <utility>

namespace s2p {
namespace {

using google::protobuf::internal::WireFormatLite;

// HealthCheckRequest { string service = 1; }. Nothing if the bytes are no such message.
std::optional<std::string> ParseRequest(const grpc::ByteBuffer& bytes) {
  grpc::Slice slice;
  if (!bytes.DumpToSingleSlice(&slice).ok()) return std::nullopt;
  google::protobuf::io::CodedInputStream in(slice.begin(), static_cast<int>(slice.size()));
  std::string service;
  while (const uint32_t tag = in.ReadTag()) {
    const bool is_service =
        tag == WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    if (is_service ? !WireFormatLite::ReadBytes(&in, &service)
                   : !WireFormatLite::SkipField(&in, tag)) {
      return std::nullopt;
    }
  }
  if (!in.ConsumedEntireMessage()) return std::nullopt;
  return service;
}

// HealthCheckResponse { ServingStatus status = 1; }.
grpc::ByteBuffer MakeResponse(int state) {
  const grpc::Slice slice(std::string{'\x08', static_cast<char>(state)});
  return grpc::ByteBuffer(&slice, 1);
}

const grpc::Status& Unreadable() {
  static const auto* status = new grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                               "is not a grpc.health.v1.HealthCheckRequest");
  return *status;
}

}  // namespace

// One Watch. The service's mutex guards it; gRPC's operations are started outside the mutex. It
// lives until gRPC is done with it, which is never before a decided operation has started.
class HealthService::Watch final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  Watch(HealthService* health, std::optional<std::string> service)
      : health_(health), service_(std::move(service)) {}

  // The operation to start outside the mutex.
  enum class Step { kNone, kWrite, kFinish };
  // Tells the analysis of locks that the service's mutex, which the caller holds, is the same.
  void AssertLocked() const ABSL_ASSERT_EXCLUSIVE_LOCK(health_->mutex_) {
    health_->mutex_.AssertHeld();
  }
  Step Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(health_->mutex_) {
    if (writing_ || finished_) return Step::kNone;
    if (gone_ || !service_) return Finishing();
    const State state = health_->StateOf(*service_);
    if (sent_ == state) return health_->stopped_ ? Finishing() : Step::kNone;
    sent_ = state;
    response_ = MakeResponse(state);
    writing_ = true;
    return Step::kWrite;
  }
  void Do(Step step) {
    if (step == Step::kWrite) StartWrite(&response_);
    if (step != Step::kFinish) return;
    Finish(service_ ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down")
                    : Unreadable());
  }
  void Begin() {
    Step step = Step::kNone;
    {
      absl::MutexLock lock(&health_->mutex_);
      health_->watches_.insert(this);
      step = Decide();
    }
    Do(step);
  }

  void OnWriteDone(bool ok) override { Advance(/*gone=*/!ok, /*written=*/true); }
  void OnCancel() override { Advance(/*gone=*/true, /*written=*/false); }
  void OnDone() override {
    {
      absl::MutexLock lock(&health_->mutex_);
      health_->watches_.erase(this);
    }
    delete this;
  }

 private:
  Step Finishing() ABSL_EXCLUSIVE_LOCKS_REQUIRED(health_->mutex_) {
    finished_ = true;
    return Step::kFinish;
  }
  void Advance(bool gone, bool written) {
    Step step = Step::kNone;
    {
      absl::MutexLock lock(&health_->mutex_);
      gone_ = gone_ || gone;
      if (written) writing_ = false;
      step = Decide();
    }
    Do(step);
  }

  HealthService* const health_;
  // Unset if the request could not be read.
  const std::optional<std::string> service_;
  // The message that is being written.
  grpc::ByteBuffer response_;
  int sent_ ABSL_GUARDED_BY(health_->mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(health_->mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(health_->mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(health_->mutex_) = false;
};

HealthService::HealthService(std::map<std::string, bool> serving) : serving_(std::move(serving)) {
  using grpc::internal::RpcMethod;
  using grpc::internal::RpcServiceMethod;
  AddMethod(new RpcServiceMethod("/grpc.health.v1.Health/Check", RpcMethod::NORMAL_RPC, nullptr));
  AddMethod(
      new RpcServiceMethod("/grpc.health.v1.Health/Watch", RpcMethod::SERVER_STREAMING, nullptr));
  const auto check = [this](grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                            grpc::ByteBuffer* response) {
    auto* reactor = context->DefaultReactor();
    const std::optional<std::string> service = ParseRequest(*request);
    if (!service) {
      reactor->Finish(Unreadable());
      return reactor;
    }
    State state = kUnknown;
    {
      absl::MutexLock lock(&mutex_);
      state = StateOf(*service);
    }
    *response = MakeResponse(state);
    reactor->Finish(state == kUnknown
                        ? grpc::Status(grpc::StatusCode::NOT_FOUND, "service name unknown")
                        : grpc::Status::OK);
    return reactor;
  };
  MarkMethodCallback(
      0, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(check));
  const auto watch = [this](grpc::CallbackServerContext*, const grpc::ByteBuffer* request) {
    auto* reactor = new Watch(this, ParseRequest(*request));
    reactor->Begin();
    return reactor;
  };
  MarkMethodCallback(
      1, new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
             watch));
}

HealthService::~HealthService() = default;

HealthService::State HealthService::StateOf(const std::string& service) const {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return kUnknown;
  return found->second && !stopped_ ? kServing : kNotServing;
}

void HealthService::Set(const std::string& service, bool serving) {
  {
    absl::MutexLock lock(&mutex_);
    const auto found = serving_.find(service);
    if (found == serving_.end()) return;
    found->second = serving;
  }
  AdvanceAll();
}

void HealthService::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  AdvanceAll();
}

void HealthService::AdvanceAll() {
  std::vector<std::pair<Watch*, Watch::Step>> steps;
  {
    absl::MutexLock lock(&mutex_);
    for (Watch* watch : watches_) {
      watch->AssertLocked();
      steps.emplace_back(watch, watch->Decide());
    }
  }
  for (const auto& [watch, step] : steps) {
    if (step != Watch::Step::kNone) watch->Do(step);
  }
}

}  // namespace s2p
