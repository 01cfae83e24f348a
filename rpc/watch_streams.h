// Streams of messages to clients that watch something.
#ifndef S2P_RPC_WATCH_STREAMS_H_
#define S2P_RPC_WATCH_STREAMS_H_

#include <algorithm>
#include <functional>
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
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "daemon/callers/fair_places.h"
#include "daemon/retry_after.h"
#include "rpc/rpc_call.h"

namespace s2p {

// The next step of one stream. A plain value.
template <typename Response>
struct WatchStep {
  // Unset: nothing for now.
  std::optional<Response> response;
  // Nothing any more: the stream ends with OK. `response` is ignored.
  bool ended = false;
  // Without a Wake before, the source is asked again at this time.
  SteadyTime ask_again = SteadyTime::InfiniteFuture();
};

// Decides what one watcher gets; lives as long as its stream. The streams' thread alone calls it.
template <typename Response>
class WatchSource {
 public:
  virtual ~WatchSource() = default;
  // Called while the client has taken everything so far: at first, after each message, at every
  // Wake, and at `ask_again`. `now` is the same for all streams of one round. An error ends the
  // stream with it.
  virtual absl::StatusOr<WatchStep<Response>> Next(SteadyTime now) = 0;
};

struct WatchStreamsOptions {
  // FairPlaces of the streams, so callers together may have up to twice as many. A caller that
  // gets none is answered RESOURCE_EXHAUSTED.
  size_t max_streams = 1000;
};

// All streams of one method. One thread asks the sources and hands each stream its next message
// when the client has taken the last one, so a slow client costs neither memory nor another
// client's time. Thread-safe.
template <typename Request, typename Response>
class WatchStreams {
 public:
  // Makes the source of the stream that answers a request.
  using MakeSource =
      std::function<absl::StatusOr<std::unique_ptr<WatchSource<Response>>>(const Request&)>;

  explicit WatchStreams(const WatchStreamsOptions& options)
      : places_(static_cast<int64_t>(options.max_streams)), thread_([this] { Work(); }) {}
  // As Stop without grace. Only after the gRPC server has ended: its calls refer to this.
  ~WatchStreams() { Stop(absl::ZeroDuration()); }
  WatchStreams(const WatchStreams&) = delete;
  WatchStreams& operator=(const WatchStreams&) = delete;

  // A new call that streams what the source of its request says; if there is an error instead of a
  // source, it ends the call. For RpcService::Add; `make_source` must outlive the call.
  RpcCall* NewCall(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context,
                   const MakeSource* make_source) {
    return new Call(method, gate, context, this, make_source);
  }

  // The sources may have something new.
  void Wake() {
    absl::MutexLock lock(&mutex_);
    Change();
  }

  // Ends all streams with UNAVAILABLE and refuses new ones; cancels the streams of clients that do
  // not take what was sent to them within `grace`. Idempotent.
  void Stop(absl::Duration grace) {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
      Change();
      const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_.empty(); };
      wait_.Until(&mutex_, SteadyTime::Now() + grace, none);
      // A client that does not read would otherwise keep its call open forever.
      for (Call* call : calls_) {
        if (call->writing) call->Cancel();
      }
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  // Lives until gRPC is done with it, which is after End. The streams' thread alone starts writes
  // and ends the call.
  class Call final : public RequestCall<Request> {
   public:
    Call(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context,
         WatchStreams* streams, const MakeSource* make_source)
        : RequestCall<Request>(method, gate, context),
          owner(*streams),
          make_source_(*make_source) {}

    void Write(const Response& response) {
      bytes_ = ToBytes(response);
      this->StartWrite(&bytes_);
    }
    void Cancel() { this->context().TryCancel(); }
    using RpcCall::End;

    WatchStreams& owner;
    // Guarded by the owner's mutex: the client has not taken the last message, or has left.
    bool writing = false;
    bool gone = false;
    // The owner's thread only, once the call is in its set.
    std::unique_ptr<WatchSource<Response>> source;

   private:
    void OnRequest() override {
      auto made = make_source_(this->request());
      absl::Status refused = made.status();
      if (refused.ok()) {
        source = *std::move(made);
        refused = owner.Insert(this);
      }
      if (!refused.ok()) this->End(refused);
    }
    void OnWriteDone(bool ok) override {
      absl::MutexLock lock(&owner.mutex_);
      writing = false;
      if (!ok) gone = true;
      owner.Change();
    }
    void OnGone() override {
      absl::MutexLock lock(&owner.mutex_);
      gone = true;
      owner.Change();
    }

    const MakeSource& make_source_;
    grpc::ByteBuffer bytes_;
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
    const std::string caller = call->queue();
    if (!places_.HasRoom(caller)) {
      return BusyError(
          absl::StrCat("the server is busy: ", calls_.size(), " clients watch already"),
          kRetryAfter);
    }
    places_.Take(caller);
    calls_.insert(call);
    Change();
    return absl::OkStatus();
  }

  void Change() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    changed_ = true;
    wait_.NotifyAll();
  }

  void Work() {
    SteadyTime ask_again = SteadyTime::InfiniteFuture();
    for (;;) {
      const Round round = NextRound(ask_again);
      const SteadyTime now = SteadyTime::Now();
      ask_again = SteadyTime::InfiniteFuture();
      for (Call* call : round.idle) {
        ask_again = std::min(ask_again, Advance(call, now, round.stopping));
      }
      absl::MutexLock lock(&mutex_);
      if (round.stopping && calls_.empty()) return;
    }
  }

  // Waits until something has changed, at most until `deadline`.
  Round NextRound(SteadyTime deadline) {
    absl::MutexLock lock(&mutex_);
    wait_.Until(&mutex_, deadline,
                [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changed_; });
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
  SteadyTime Advance(Call* call, SteadyTime now, bool stopping) {
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
    {
      absl::MutexLock lock(&mutex_);
      // Stop cancels the writes that it sees; it would not see this one any more.
      if (stopping_) return step->ask_again;
      call->writing = true;
    }
    call->Write(*step->response);
    return step->ask_again;
  }

  SteadyTime End(Call* call, const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      if (calls_.erase(call) > 0) places_.Give(call->queue());
      wait_.NotifyAll();
    }
    // The call may be deleted before this returns.
    call->End(status);
    return SteadyTime::InfiniteFuture();
  }

  absl::Mutex mutex_;
  SteadyWait wait_;
  FairPlaces places_ ABSL_GUARDED_BY(mutex_);
  std::set<Call*> calls_ ABSL_GUARDED_BY(mutex_);
  // The thread has something to look at.
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace s2p

#endif  // S2P_RPC_WATCH_STREAMS_H_
