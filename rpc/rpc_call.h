// One call of a method, from its headers to its end.
#ifndef S2P_RPC_RPC_CALL_H_
#define S2P_RPC_RPC_CALL_H_

#include <google/protobuf/message.h>
#include <grpcpp/alarm.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/message_limits.h"
#include "base/steady_time.h"
#include "rpc/call_gate.h"
#include "rpc/changed_ids.h"
#include "rpc/method_roles.h"

namespace s2p {

// The most that one call of a method may cost. A plain value.
struct CallCost {
  // The largest message of the client; larger ones are RESOURCE_EXHAUSTED and are not parsed.
  size_t max_message_bytes = size_t{64} << 10;
  // Limits on the elements of the message.
  std::vector<FieldLimit> fields;
  // The time that a call has if its client sets no deadline; a stream never has more. Infinite: as
  // long as the client likes, once its first message has come.
  absl::Duration default_deadline = absl::Seconds(30);
  // The time for the first message of a call, if the call may last longer. A stream with a default
  // deadline has that time for everything.
  absl::Duration first_message = absl::Seconds(30);
};

// A method, as its calls see it. Immutable.
struct RpcMethod {
  // "Search".
  std::string name;
  CallCost cost;
  // The limits of the client's message; unset if the calls read bytes that are no generated
  // message.
  std::unique_ptr<const MessageLimits> limits;
  bool is_stream = false;
};

// The bytes of a message.
grpc::ByteBuffer ToBytes(const google::protobuf::MessageLite& message);

// Parses the bytes of a client's message, once they are known to be within the method's limits.
// ResourceExhausted if there are too many; InvalidArgument naming the field that has too many
// elements, the text that is not UTF-8, or the expected message.
absl::Status ParseMessage(const RpcMethod& method, grpc::ByteBuffer bytes,
                          google::protobuf::Message* message);

// The base of all calls. Every method is a stream of bytes to gRPC, which looks the same on the
// wire: so the call starts with the headers, and gRPC receives a message only when it is asked to.
// (In gRPC's own unary methods the message is received and parsed before the handler runs, and no
// interceptor comes before that; strangers could fill the memory.) The call is admitted first, and
// ends with the gate's status in any case. Deletes itself when gRPC is done with it, which is after
// End. Thread-safe, except that record() and End are for whoever holds the call's turn.
class RpcCall : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // All are borrowed. Without a gate everybody is admitted, and the call is neither counted nor
  // logged.
  RpcCall(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context);

  // Admits the call, or ends it. Called once, before the reactor is given to gRPC.
  void Start();

  // When the client or the method wants the call to have ended.
  SteadyTime deadline() const { return deadline_; }
  // The client has left, or the server cancels.
  bool is_cancelled() const { return cancelled_.load(std::memory_order_relaxed); }
  // Whose turn its work is, as Caller::queue.
  std::string queue() const { return record_.caller ? record_.caller->queue() : std::string(); }
  // OK while somebody still waits for the answer: Cancelled or DeadlineExceeded otherwise. To be
  // asked before work is started.
  absl::Status CheckWanted() const;

 protected:
  ~RpcCall() override;

  // The call may use the server: it starts to read.
  virtual void OnAdmitted() = 0;
  // As grpc::ServerBidiReactor::OnCancel, which sets is_cancelled().
  virtual void OnGone() {}
  // Nothing refers to the call any more but gRPC.
  virtual void OnEnd() {}

  // Ends the call: no other operation of gRPC may start after it. Call it once.
  void End(const absl::Status& status);
  // The same for a call that succeeded, with its last message. `bytes` lives as long as the call.
  void EndWith(const grpc::ByteBuffer* bytes);
  // Decides between the first message and its time limit: true for the first caller, who then owns
  // the call; false for the other.
  bool StopWaiting() { return waiting_.exchange(false); }

  const RpcMethod& method() const { return method_; }
  // The audit log has it.
  bool is_change() const { return record_.caller && RuleOf(method_.name).is_change; }
  CallRecord& record() { return record_; }
  grpc::CallbackServerContext& context() { return context_; }
  SteadyTime start() const { return record_.start; }

 private:
  // Ties the alarm to the call, which may be gone when it rings.
  struct AlarmLink {
    absl::Mutex mutex;
    RpcCall* call ABSL_GUARDED_BY(mutex);
  };

  void OnCancel() final;
  void OnDone() final;
  void SetAlarm();
  // When the first message must have come; a stream with a finite default must then have ended.
  absl::Duration AlarmTime() const;
  void OnAlarm();

  const RpcMethod& method_;
  CallGate* const gate_;
  grpc::CallbackServerContext& context_;
  CallRecord record_;
  SteadyTime deadline_;
  std::atomic<bool> cancelled_{false};
  // No message has come yet.
  std::atomic<bool> waiting_{true};
  std::shared_ptr<AlarmLink> alarm_link_;
  std::unique_ptr<grpc::Alarm> alarm_;
};

// A call whose client sends one message.
class OneRequestCall : public RpcCall {
 public:
  using RpcCall::RpcCall;

 protected:
  // The message, which is not larger than the method allows. An error ends the call.
  virtual absl::Status OnMessage(grpc::ByteBuffer bytes) = 0;
  // After OnMessage was OK.
  virtual void OnRequest() = 0;

  void OnAdmitted() override { StartRead(&bytes_); }
  void OnReadDone(bool ok) final;

 private:
  grpc::ByteBuffer bytes_;
};

// A call whose client sends one Request.
template <typename Request>
class RequestCall : public OneRequestCall {
 public:
  using OneRequestCall::OneRequestCall;
  // Set from OnRequest on.
  const Request& request() const { return request_; }

 protected:
  absl::Status OnMessage(grpc::ByteBuffer bytes) final {
    return ParseMessage(method(), std::move(bytes), &request_);
  }

 private:
  Request request_;
};

// A call with one Request and one Response.
template <typename Request, typename Response>
class UnaryCall final : public RequestCall<Request> {
 public:
  using Handler = std::function<void(UnaryCall* call)>;

  // `handler` gets the call with its request; somebody must Answer it, once, on any thread. It must
  // outlive the call.
  UnaryCall(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context,
            const Handler* handler)
      : RequestCall<Request>(method, gate, context), handler_(*handler) {}

  // Filled before Answer(OK).
  Response* response() { return &response_; }
  // More fields for the log line of a slow call.
  void SetDetails(std::function<std::vector<LogField>()> details) {
    this->record().details = std::move(details);
  }
  SteadyTime start() const { return RpcCall::start(); }
  // Sends the response, or an error. The call may be gone when this returns.
  void Answer(const absl::Status& status) {
    if (this->is_change()) this->record().changed = ChangedIds(this->request(), response_);
    if (!status.ok()) return this->End(status);
    bytes_ = ToBytes(response_);
    this->EndWith(&bytes_);
  }

 private:
  void OnRequest() override { handler_(this); }

  const Handler& handler_;
  Response response_;
  grpc::ByteBuffer bytes_;
};

}  // namespace s2p

#endif  // S2P_RPC_RPC_CALL_H_
