// Streams of messages to clients that watch something.
#ifndef S2P_RPC_WATCH_STREAMS_H_
#define S2P_RPC_WATCH_STREAMS_H_

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/retry_after.h"
#include "rpc/call_gate.h"

namespace s2p {

// The next step of one stream. A plain value.
template <typename Response>
struct WatchStep {
  // Unset: nothing for now.
  std::optional<Response> response;
  // Nothing any more: the stream ends with OK. `response` is ignored.
  bool ended = false;
  // Without a Wake before, the source is asked again at this time.
  absl::Time ask_again = absl::InfiniteFuture();
};

// Decides what one watcher gets; lives as long as its stream. The streams' thread alone calls it.
template <typename Response>
class WatchSource {
 public:
  virtual ~WatchSource() = default;
  // Called while the client has taken everything so far: at first, after each message, at every
  // Wake, and at `ask_again`. `now` is the same for all streams of one round. An error ends the
  // stream with it.
  virtual absl::StatusOr<WatchStep<Response>> Next(absl::Time now) = 0;
};

struct WatchStreamsOptions {
  // The RPC's name, for log and metrics.
  const char* method = "";
  // Streams at one time. More are answered RESOURCE_EXHAUSTED.
  size_t max_streams = 1000;
};

// All streams of one method. One thread asks the sources and hands each stream its next message
// when the client has taken the last one, so a slow client costs neither memory nor another
// client's time. Thread-safe.
template <typename Response>
class WatchStreams {
 public:
  // `gate` must outlive it.
  WatchStreams(const WatchStreamsOptions& options, CallGate* gate)
      : options_(options), gate_(*gate), thread_([this] { Work(); }) {}
  // As Stop without grace. Only after the gRPC server has ended: its calls refer to this.
  ~WatchStreams() { Stop(absl::ZeroDuration()); }
  WatchStreams(const WatchStreams&) = delete;
  WatchStreams& operator=(const WatchStreams&) = delete;

  // Admits the call and starts to stream what `source` says; a source that is an error ends the
  // call with it. Returns the call's reactor, which deletes itself.
  grpc::ServerWriteReactor<Response>* Start(
      grpc::CallbackServerContext* context,
      absl::StatusOr<std::unique_ptr<WatchSource<Response>>> source) {
    auto* call = new Call(this, context);
    absl::Status refused = gate_.Admit(*context);
    if (refused.ok()) refused = source.status();
    if (refused.ok()) {
      call->source = *std::move(source);
      refused = Insert(call);
    }
    if (!refused.ok()) call->Finish(gate_.End(call->record, refused, *context));
    return call;
  }

  // The sources may have something new.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    changed_ = true;
  }

  // Ends all streams with UNAVAILABLE and refuses new ones; cancels the streams of clients that do
  // not take what was sent to them within `grace`. Idempotent.
  void Stop(absl::Duration grace) {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      changed_ = true;
      const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_.empty(); };
      mutex_.AwaitWithTimeout(absl::Condition(&none), grace);
      // A client that does not read would otherwise keep its call open forever.
      for (Call* call : calls_) {
        if (call->writing) call->context.TryCancel();
      }
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  // Lives until gRPC is done with it, which is after End. The streams' thread alone starts writes
  // and ends the call.
  struct Call final : public grpc::ServerWriteReactor<Response> {
    Call(WatchStreams* streams, grpc::CallbackServerContext* call_context)
        : owner(*streams),
          context(*call_context),
          record{streams->options_.method, absl::Now(), /*is_stream=*/true} {}

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

    WatchStreams& owner;
    grpc::CallbackServerContext& context;
    const CallRecord record;
    // Guarded by the owner's mutex: the client has not taken the last message, or has left.
    bool writing = false;
    bool gone = false;
    // The owner's thread only.
    std::unique_ptr<WatchSource<Response>> source;
    Response response;
  };

  // One look at all streams.
  struct Round {
    bool stopping = false;
    // Streams that can take a message or an end.
    std::vector<Call*> idle;
  };

  absl::Status Insert(Call* call) {
    // Watches are long-lived, so a slot frees up slowly.
    constexpr absl::Duration kRetryAfter = absl::Seconds(10);
    absl::MutexLock lock(&mutex_);
    if (stopping_) return absl::UnavailableError("the server is shutting down");
    if (calls_.size() >= options_.max_streams) {
      return BusyError(
          absl::StrCat("the server is busy: ", calls_.size(), " clients watch already"),
          kRetryAfter);
    }
    calls_.insert(call);
    changed_ = true;
    return absl::OkStatus();
  }

  void Work() {
    absl::Time ask_again = absl::InfiniteFuture();
    for (;;) {
      const Round round = NextRound(ask_again);
      const absl::Time now = absl::Now();
      ask_again = absl::InfiniteFuture();
      for (Call* call : round.idle) {
        ask_again = std::min(ask_again, Advance(call, now, round.stopping));
      }
      absl::MutexLock lock(&mutex_);
      if (round.stopping && calls_.empty()) return;
    }
  }

  // Waits until something has changed, at most until `deadline`.
  Round NextRound(absl::Time deadline) {
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithDeadline(absl::Condition(&changed_), deadline);
    changed_ = false;
    Round round;
    round.stopping = stopping_;
    for (Call* call : calls_) {
      if (!call->writing) round.idle.push_back(call);
    }
    return round;
  }

  // Writes the call's next message, or ends the call, which is gone then. Returns when to ask
  // again.
  absl::Time Advance(Call* call, absl::Time now, bool stopping) {
    bool gone = false;
    {
      absl::MutexLock lock(&mutex_);
      gone = call->gone;
    }
    if (gone) return End(call, absl::CancelledError("the client is gone"));
    if (stopping) return End(call, absl::UnavailableError("the server is shutting down"));
    auto step = call->source->Next(now);
    if (!step.ok()) return End(call, step.status());
    if (step->ended) return End(call, absl::OkStatus());
    if (!step->response) return step->ask_again;
    call->response = *std::move(step->response);
    {
      absl::MutexLock lock(&mutex_);
      // Stop cancels the writes that it sees; it would not see this one any more.
      if (stopping_) return step->ask_again;
      call->writing = true;
    }
    call->StartWrite(&call->response);
    return step->ask_again;
  }

  absl::Time End(Call* call, const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      calls_.erase(call);
    }
    // The call may be deleted before this returns.
    call->Finish(gate_.End(call->record, status, call->context));
    return absl::InfiniteFuture();
  }

  const WatchStreamsOptions options_;
  CallGate& gate_;
  absl::Mutex mutex_;
  std::set<Call*> calls_ ABSL_GUARDED_BY(mutex_);
  // The thread has something to look at.
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_RPC_WATCH_STREAMS_H_
