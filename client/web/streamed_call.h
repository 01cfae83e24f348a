// RPCs whose messages go to the browser one by one.
#ifndef S2P_CLIENT_WEB_STREAMED_CALL_H_
#define S2P_CLIENT_WEB_STREAMED_CALL_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/steady_time.h"
#include "base/steady_wait.h"
#include "client/web/backend.h"
#include "client/web/exchange.h"
#include "daemon/http/http_message.h"

namespace s2p {

// How the messages become a body. A plain value.
template <typename Response>
struct StreamedBody {
  // The bytes of one message; empty if it has none.
  std::function<std::string(Response&)> piece;
  // Follows the last message of a call that ended well.
  std::string end;
  // Whether the body just ends when the call fails. Otherwise the connection breaks.
  bool ends_on_failure = false;
  // Kept until the call has ended.
  std::shared_ptr<void> held;
};

// A stream of `Response` from a server. Asks for a message only when the browser has taken the one
// before, and holds no thread. Keeps itself alive until its call has ended. Thread-safe.
template <typename Response>
class StreamedCall : public HttpBodySource, private grpc::ClientReadReactor<Response> {
 public:
  using Reactor = grpc::ClientReadReactor<Response>;

  // `start(context, reactor)` calls the stub's asynchronous method, with a request that lives as
  // long as the function. The other arguments are ForwardedCall's.
  static std::shared_ptr<StreamedCall> Start(
      Backend& backend, ForwardedCall::To to, const Exchange& exchange, bool has_deadline,
      StreamedBody<Response> body, std::function<void(grpc::ClientContext*, Reactor*)> start) {
    auto call = std::shared_ptr<StreamedCall>(
        new StreamedCall(backend, to, exchange, has_deadline, std::move(body), std::move(start)));
    call->self_ = call;
    call->start_(&call->call_.context(), call.get());
    // Reads start outside the call's own callbacks, too.
    call->AddHold();
    call->StartRead(&call->message_);
    call->StartCall();
    return call;
  }

  // Waits for the first message, or for the end if there is none: true for a message, the call's
  // error if it failed. Ends the call when the browser disconnects. Before the first Read.
  absl::StatusOr<bool> AwaitFirst(const HttpRequest& request) {
    const auto arrived = [this] {
      mutex_.AssertReaderHeld();
      return has_message_ || finished_;
    };
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        if (changed_.Until(&mutex_, SteadyTime::Now() + kClientCheckInterval, arrived)) {
          if (!has_message_ && !status_.ok()) return status_;
          return has_message_;
        }
      }
      if (request.client_gone()) call_.context().TryCancel();
    }
  }
  // The message that AwaitFirst found. Valid until the first Read.
  const Response& first() const { return message_; }

  void Read(std::function<void(Piece)> done) override {
    std::optional<Piece> piece;
    bool starts = false;
    {
      absl::MutexLock lock(&mutex_);
      if (cancelled_) {
        piece = absl::CancelledError("cancelled");
      } else if (has_message_) {
        has_message_ = false;
        piece = body_.piece(message_);
      } else if (finished_) {
        piece = NextAtEnd();
      } else {
        waiting_ = std::move(done);
        starts = !reading_ && !ended_;
        reading_ = reading_ || starts;
      }
    }
    if (starts) this->StartRead(&message_);
    if (piece.has_value()) done(*std::move(piece));
  }

  void Cancel() override {
    bool starts = false;
    {
      absl::MutexLock lock(&mutex_);
      if (cancelled_ || finished_) return;
      cancelled_ = true;
      // Only the end of a read ends the call.
      starts = !reading_ && !ended_;
      reading_ = reading_ || starts;
    }
    call_.context().TryCancel();
    if (starts) this->StartRead(&message_);
  }

 private:
  // How often to look whether the browser is still connected.
  static constexpr absl::Duration kClientCheckInterval = absl::Milliseconds(10);

  StreamedCall(Backend& backend, ForwardedCall::To to, const Exchange& exchange, bool has_deadline,
               StreamedBody<Response> body,
               std::function<void(grpc::ClientContext*, Reactor*)> start)
      : call_(backend, to, exchange, has_deadline),
        body_(std::move(body)),
        start_(std::move(start)) {}

  void OnReadDone(bool ok) override {
    std::function<void(Piece)> waiting;
    std::optional<Piece> piece;
    bool starts = false;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      ended_ = !ok;
      if (ok && cancelled_) {
        starts = reading_ = true;
      } else if (ok && waiting_ != nullptr) {
        waiting = std::exchange(waiting_, nullptr);
        piece = body_.piece(message_);
      } else if (ok) {
        has_message_ = true;
        changed_.NotifyAll();
      }
    }
    if (starts) this->StartRead(&message_);
    if (waiting != nullptr) waiting(*std::move(piece));
    if (!ok) this->RemoveHold();
  }

  void OnDone(const grpc::Status& status) override {
    std::function<void(Piece)> waiting;
    std::optional<Piece> piece;
    // Writes to the log, so not under the lock.
    absl::Status told = call_.StatusOf(status);
    {
      absl::MutexLock lock(&mutex_);
      status_ = std::move(told);
      finished_ = true;
      changed_.NotifyAll();
      waiting = std::exchange(waiting_, nullptr);
      if (waiting != nullptr) piece = NextAtEnd();
    }
    if (waiting != nullptr) waiting(*std::move(piece));
    // May be the end of this object.
    const auto self = std::move(self_);
  }

  Piece NextAtEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!status_.ok() && !body_.ends_on_failure) return status_;
    if (!status_.ok() || body_.end.empty()) return std::nullopt;
    return std::exchange(body_.end, std::string());
  }

  // Declared first, so that what is held is given back before the backend may end.
  ForwardedCall call_;
  StreamedBody<Response> body_;
  const std::function<void(grpc::ClientContext*, Reactor*)> start_;
  std::shared_ptr<StreamedCall> self_;
  // For AwaitFirst.
  SteadyWait changed_;
  absl::Mutex mutex_;
  // Belongs to the read in progress, then, with has_message_, to whoever holds the mutex.
  Response message_;
  bool reading_ ABSL_GUARDED_BY(mutex_) = true;
  bool has_message_ ABSL_GUARDED_BY(mutex_) = false;
  // No further message comes; the call has finished, with status_.
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::function<void(Piece)> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_STREAMED_CALL_H_
