#include "trainer/jobs/watch_job_calls.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/retry_after.h"
#include "rpc/grpc_status.h"
#include "trainer/jobs/job_watch.h"

namespace s2p {
namespace {

// Watchers stay for long.
constexpr absl::Duration kRetryAfter = absl::Seconds(10);

}  // namespace

// Lives until gRPC is done with it, which is after `End`. Writes and the end are begun by the
// thread of WatchJobCalls alone.
class WatchJobCalls::Call : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  Call(WatchJobCalls* calls, grpc::CallbackServerContext* call_context,
       v1::WatchJobRequest call_request)
      : owner(*calls), context(call_context), request(std::move(call_request)) {}

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

  WatchJobCalls& owner;
  grpc::CallbackServerContext* const context;
  const v1::WatchJobRequest request;
  // The owner's mutex guards these two: the client has not taken the last message, or has left.
  bool writing = false;
  bool gone = false;
  // The owner's thread only.
  std::unique_ptr<JobWatch> watch;
  v1::WatchJobResponse response;
};

WatchJobCalls::WatchJobCalls(const WatchJobOptions& options, JobStore* store,
                             std::function<bool(const std::string&)> is_under_way)
    : options_(options),
      store_(store),
      is_under_way_(std::move(is_under_way)),
      thread_([this] { Work(); }) {}

WatchJobCalls::~WatchJobCalls() { Stop(absl::ZeroDuration()); }

grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJobCalls::Begin(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest& request) {
  auto* call = new Call(this, context, request);
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the trainer is shutting down");
    } else if (calls_.size() >= options_.max_watchers) {
      refused = BusyError(
          absl::StrCat("the trainer is busy: ", calls_.size(), " clients watch jobs already"),
          kRetryAfter);
    } else {
      calls_.insert(call);
      changed_ = true;
    }
  }
  if (!refused.ok()) call->Finish(ToGrpcWithRetryHint(refused, *context));
  return call;
}

void WatchJobCalls::Wake() {
  absl::MutexLock lock(&mutex_);
  changed_ = true;
}

void WatchJobCalls::Stop(absl::Duration grace) {
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

void WatchJobCalls::Work() {
  for (;;) {
    bool stopping = false;
    const std::set<Call*> idle = WaitForIdle(&stopping);
    const absl::Time now = absl::Now();
    next_heartbeat_ = absl::InfiniteFuture();
    for (Call* call : idle) Advance(call, now, stopping);
    absl::MutexLock lock(&mutex_);
    if (stopping && calls_.empty()) return;
  }
}

std::set<WatchJobCalls::Call*> WatchJobCalls::WaitForIdle(bool* stopping) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithDeadline(absl::Condition(&changed_), next_heartbeat_);
  changed_ = false;
  *stopping = stopping_;
  std::set<Call*> idle;
  for (Call* call : calls_) {
    if (!call->writing) idle.insert(call);
  }
  return idle;
}

void WatchJobCalls::Advance(Call* call, absl::Time now, bool stopping) {
  bool gone = false;
  {
    absl::MutexLock lock(&mutex_);
    gone = call->gone;
  }
  if (gone) return End(call, absl::CancelledError("the client is gone"));
  if (stopping) return End(call, absl::UnavailableError("the trainer is shutting down"));
  if (call->watch == nullptr) {
    auto watch = JobWatch::Create(store_, is_under_way_, call->request.job_id(),
                                  call->request.from_event(), options_.heartbeat);
    if (!watch.ok()) return End(call, watch.status());
    call->watch = *std::move(watch);
  }
  auto next = call->watch->Say(now);
  if (!next.ok()) return End(call, next.status());
  if (next->ended) return End(call, absl::OkStatus());
  next_heartbeat_ = std::min(next_heartbeat_, call->watch->next_heartbeat());
  if (!next->response) return;
  call->response = *std::move(next->response);
  {
    absl::MutexLock lock(&mutex_);
    // Stop cancels the writes that it sees; this one would be too late for it.
    if (stopping_) return;
    call->writing = true;
  }
  call->StartWrite(&call->response);
}

void WatchJobCalls::End(Call* call, const absl::Status& status) {
  {
    absl::MutexLock lock(&mutex_);
    calls_.erase(call);
  }
  // It may be gone before this returns.
  call->Finish(ToGrpc(status));
}

}  // namespace s2p
