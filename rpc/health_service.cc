#include "rpc/health_service.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/grpcpp.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

using google::protobuf::internal::WireFormatLite;

constexpr size_t kMostRequestBytes = 1024;
constexpr absl::Duration kRequestDeadline = absl::Seconds(5);
// Open watches; they need no key, so something has to limit them.
constexpr size_t kMostWatches = 1000;
// Watches are long-lived, so a place frees up slowly.
constexpr absl::Duration kRetryAfter = absl::Seconds(10);

// HealthCheckRequest { string service = 1; }. InvalidArgument if the bytes are no such message.
absl::Status ReadName(const grpc::ByteBuffer& bytes, std::string& service) {
  const absl::Status unreadable =
      absl::InvalidArgumentError("is not a grpc.health.v1.HealthCheckRequest");
  grpc::Slice slice;
  if (!bytes.DumpToSingleSlice(&slice).ok()) return unreadable;
  google::protobuf::io::CodedInputStream in(slice.begin(), static_cast<int>(slice.size()));
  while (const uint32_t tag = in.ReadTag()) {
    const bool is_service =
        tag == WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    if (is_service ? !WireFormatLite::ReadBytes(&in, &service)
                   : !WireFormatLite::SkipField(&in, tag)) {
      return unreadable;
    }
  }
  return in.ConsumedEntireMessage() ? absl::OkStatus() : unreadable;
}

// HealthCheckResponse { ServingStatus status = 1; }.
grpc::ByteBuffer MakeResponse(int state) {
  const grpc::Slice slice(std::string{'\x08', static_cast<char>(state)});
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

class HealthService::Check final : public OneRequestCall {
 public:
  Check(const RpcMethod* method, grpc::CallbackServerContext* context, HealthService* health)
      : OneRequestCall(method, nullptr, context), health_(*health) {}

 private:
  absl::Status OnMessage(grpc::ByteBuffer bytes) override { return ReadName(bytes, service_); }
  void OnRequest() override {
    State state = kUnknown;
    {
      absl::MutexLock lock(&health_.mutex_);
      state = health_.StateOf(service_);
    }
    if (state == kUnknown) return End(absl::NotFoundError("service name unknown"));
    response_ = MakeResponse(state);
    EndWith(&response_);
  }

  HealthService& health_;
  std::string service_;
  grpc::ByteBuffer response_;
};

// One Watch. The service's mutex guards it; gRPC's operations are started outside the mutex. It
// lives until gRPC is done with it, which is never before a decided operation has started.
class HealthService::Watch final : public OneRequestCall {
 public:
  Watch(const RpcMethod* method, grpc::CallbackServerContext* context, HealthService* health)
      : OneRequestCall(method, nullptr, context), health_(health) {}

  // The operation to start outside the mutex.
  enum class Step { kNone, kWrite, kFinish };
  // Tells the analysis of locks that the service's mutex, which the caller holds, is the same.
  void AssertLocked() const ABSL_ASSERT_EXCLUSIVE_LOCK(health_->mutex_) {
    health_->mutex_.AssertHeld();
  }
  Step Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(health_->mutex_) {
    if (!watching_ || writing_ || finished_) return Step::kNone;
    if (gone_) return Finishing();
    const State state = health_->StateOf(service_);
    if (sent_ == state) return health_->stopped_ ? Finishing() : Step::kNone;
    sent_ = state;
    response_ = MakeResponse(state);
    writing_ = true;
    return Step::kWrite;
  }
  void Do(Step step) {
    if (step == Step::kWrite) StartWrite(&response_);
    if (step == Step::kFinish) End(absl::UnavailableError("the server is shutting down"));
  }

 private:
  absl::Status OnMessage(grpc::ByteBuffer bytes) override { return ReadName(bytes, service_); }
  void OnRequest() override {
    Step step = Step::kNone;
    bool is_full = false;
    {
      absl::MutexLock lock(&health_->mutex_);
      is_full = health_->watches_.size() >= kMostWatches;
      if (!is_full) {
        health_->watches_.insert(this);
        watching_ = true;
        step = Decide();
      }
    }
    if (is_full) {
      return End(BusyError(
          absl::StrCat("the server is busy: ", kMostWatches, " clients watch its health already"),
          kRetryAfter));
    }
    Do(step);
  }

  void OnWriteDone(bool ok) override { Advance(/*gone=*/!ok, /*written=*/true); }
  void OnGone() override { Advance(/*gone=*/true, /*written=*/false); }
  void OnEnd() override {
    absl::MutexLock lock(&health_->mutex_);
    health_->watches_.erase(this);
  }

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
  std::string service_;
  // The message that is being written.
  grpc::ByteBuffer response_;
  // The request has come.
  bool watching_ ABSL_GUARDED_BY(health_->mutex_) = false;
  int sent_ ABSL_GUARDED_BY(health_->mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(health_->mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(health_->mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(health_->mutex_) = false;
};

HealthService::HealthService(std::map<std::string, bool> serving)
    : RpcService("grpc.health.v1.Health", nullptr), serving_(std::move(serving)) {
  CallCost check;
  check.max_message_bytes = kMostRequestBytes;
  check.default_deadline = kRequestDeadline;
  check.first_message = kRequestDeadline;
  CallCost watch = check;
  watch.default_deadline = absl::InfiniteDuration();
  Add("Check", check, nullptr, /*is_stream=*/false,
      [this](const RpcMethod* method, CallGate*, grpc::CallbackServerContext* context) {
        return new Check(method, context, this);
      });
  Add("Watch", watch, nullptr, /*is_stream=*/true,
      [this](const RpcMethod* method, CallGate*, grpc::CallbackServerContext* context) {
        return new Watch(method, context, this);
      });
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
