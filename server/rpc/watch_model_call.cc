#include "server/rpc/watch_model_call.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/retry_after.h"
#include "server/rpc/model_status_proto.h"

namespace s2p {
namespace {

constexpr size_t kMostCalls = 1000;
// Watchers stay for long.
constexpr absl::Duration kRetryAfter = absl::Seconds(10);
constexpr char kMethod[] = "WatchModelStatus";

}  // namespace

// Lives until gRPC is done with it, which is after `End`. Writes and the end are begun by the
// thread of WatchModelCalls alone.
class WatchModelCalls::Call : public grpc::ServerWriteReactor<v1::WatchModelStatusResponse> {
 public:
  Call(WatchModelCalls* calls, grpc::CallbackServerContext* call_context)
      : owner(*calls), context(call_context), record{kMethod, absl::Now(), true} {}

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&owner.mutex_);
    writing = false;
    if (!ok) gone = true;
    owner.changed_ = true;
  }
  void OnCancel() override {
    absl::MutexLock lock(&owner.mutex_);
    gone = true;
    owner.changed_ = true;
  }
  void OnDone() override { delete this; }

  WatchModelCalls& owner;
  grpc::CallbackServerContext* const context;
  const CallRecord record;
  // The owner's mutex guards these: the client has not taken the last message, or has left; and
  // what it was told last.
  bool writing = false;
  bool gone = false;
  uint64_t revision = 0;
  // The owner's thread only.
  v1::WatchModelStatusResponse response;
  std::string last;
};

WatchModelCalls::WatchModelCalls(const ServiceContext* service)
    : service_(*service), thread_([this] { Work(); }) {}

WatchModelCalls::~WatchModelCalls() { Stop(absl::ZeroDuration()); }

grpc::ServerWriteReactor<v1::WatchModelStatusResponse>* WatchModelCalls::Begin(
    grpc::CallbackServerContext* context) {
  auto* call = new Call(this, context);
  absl::Status refused = Admit(service_, *context);
  if (refused.ok()) {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the server is shutting down");
    } else if (calls_.size() >= kMostCalls) {
      refused = BusyError(
          absl::StrCat("the server is busy: ", calls_.size(), " clients watch its models already"),
          kRetryAfter);
    } else {
      calls_.insert(call);
      changed_ = true;
    }
  }
  if (!refused.ok()) call->Finish(EndCall(service_, *context, call->record, refused));
  return call;
}

void WatchModelCalls::Wake() {
  absl::MutexLock lock(&mutex_);
  ++revision_;
  changed_ = true;
}

void WatchModelCalls::Stop(absl::Duration grace) {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_ = true;
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_.empty(); };
    mutex_.AwaitWithTimeout(absl::Condition(&none), grace);
    // A client that does not read would keep its call for ever.
    for (Call* call : calls_) {
      if (call->writing) call->context->TryCancel();
    }
  }
  if (thread_.joinable()) thread_.join();
}

void WatchModelCalls::Work() {
  for (;;) {
    uint64_t revision = 0;
    bool stopping = false;
    const std::set<Call*> idle = WaitForIdle(&revision, &stopping);
    if (stopping) {
      for (Call* call : idle) End(call, absl::UnavailableError("the server is shutting down"));
      absl::MutexLock lock(&mutex_);
      if (calls_.empty()) return;
      continue;
    }
    if (idle.empty()) continue;
    // Read after its revision: what changes meanwhile makes another round.
    const v1::GetModelStatusResponse status = ToProto(service_.loader->Status());
    for (Call* call : idle) Send(call, revision, status);
  }
}

std::set<WatchModelCalls::Call*> WatchModelCalls::WaitForIdle(uint64_t* revision, bool* stopping) {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&changed_));
  changed_ = false;
  *revision = revision_;
  *stopping = stopping_;
  std::set<Call*> idle;
  for (Call* call : calls_) {
    if (!call->writing && (stopping_ || call->gone || call->revision != revision_)) {
      idle.insert(call);
    }
  }
  return idle;
}

void WatchModelCalls::Send(Call* call, uint64_t revision,
                           const v1::GetModelStatusResponse& status) {
  std::string serialized = status.SerializeAsString();
  bool gone = false;
  {
    absl::MutexLock lock(&mutex_);
    gone = call->gone;
    call->revision = revision;
    // What was noted may not be seen from outside. And Stop cancels the writes that it sees; this
    // one would be too late for it.
    if (!gone && (stopping_ || serialized == call->last)) return;
    call->writing = !gone;
  }
  if (gone) return End(call, absl::CancelledError("the client is gone"));
  call->last = std::move(serialized);
  *call->response.mutable_status() = status;
  call->StartWrite(&call->response);
}

void WatchModelCalls::End(Call* call, const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
  }
  // It may be gone before this returns.
  call->Finish(EndCall(service_, *call->context, call->record, status));
}

}  // namespace s2p
