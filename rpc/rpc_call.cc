#include "rpc/rpc_call.h"

#include <grpc/support/time.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/grpc_status.h"
#include "rpc/unreadable_message.h"

namespace s2p {
namespace {

// The time that the client gives the call; infinite if it sets no deadline.
absl::Duration TimeLeft(const grpc::ServerContextBase& context) {
  const gpr_timespec deadline = context.raw_deadline();
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) {
    return absl::InfiniteDuration();
  }
  const gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  return absl::Seconds(left.tv_sec) + absl::Nanoseconds(left.tv_nsec);
}

gpr_timespec ToGpr(absl::Duration left) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(left), GPR_TIMESPAN));
}

// A message is written in pieces of this size.
constexpr int kBlockBytes = 1 << 20;

absl::Status CheckSize(const RpcMethod& method, const grpc::ByteBuffer& bytes) {
  if (bytes.Length() <= method.cost.max_message_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("the message has ", bytes.Length(), " bytes; ",
                                                   method.name, " takes at most ",
                                                   method.cost.max_message_bytes));
}

}  // namespace

grpc::ByteBuffer ToBytes(const google::protobuf::MessageLite& message) {
  grpc::ByteBuffer bytes;
  grpc::ProtoBufferWriter writer(&bytes, kBlockBytes, static_cast<int>(message.ByteSizeLong()));
  message.SerializeToZeroCopyStream(&writer);
  return bytes;
}

absl::Status ParseMessage(const RpcMethod& method, grpc::ByteBuffer bytes,
                          google::protobuf::Message* message) {
  S2P_RETURN_IF_ERROR(CheckSize(method, bytes));
  {
    grpc::ProtoBufferReader wire(&bytes);
    if (wire.status().ok()) S2P_RETURN_IF_ERROR(method.limits->Check(&wire, bytes.Length()));
  }
  {
    grpc::ProtoBufferReader wire(&bytes);
    if (wire.status().ok() && message->ParseFromZeroCopyStream(&wire)) return absl::OkStatus();
  }
  grpc::Slice slice;
  const bool whole = bytes.DumpToSingleSlice(&slice).ok();
  const absl::string_view text(whole ? reinterpret_cast<const char*>(slice.begin()) : "",
                               whole ? slice.size() : 0);
  return absl::InvalidArgumentError(
      absl::StrCat("the request cannot be read: ", WhyUnreadable(text, *message->GetDescriptor())));
}

RpcCall::RpcCall(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context)
    : method_(*method), gate_(gate), context_(*context) {
  record_.method = method_.name.c_str();
  record_.start = SteadyTime::Now();
  record_.is_stream = method_.is_stream;
  const absl::Duration left = TimeLeft(context_);
  deadline_ =
      record_.start + (left < absl::InfiniteDuration() ? left : method_.cost.default_deadline);
}

RpcCall::~RpcCall() = default;

void RpcCall::Start() {
  const absl::Status status =
      gate_ == nullptr ? absl::OkStatus() : gate_->Admit(&record_, context_);
  if (!status.ok()) return End(status);
  SetAlarm();
  OnAdmitted();
}

absl::Status RpcCall::CheckWanted() const {
  if (is_cancelled()) return absl::CancelledError("cancelled");
  if (deadline_ <= SteadyTime::Now()) {
    return absl::DeadlineExceededError("the deadline has passed");
  }
  return absl::OkStatus();
}

void RpcCall::End(const absl::Status& status) {
  Finish(gate_ == nullptr ? ToGrpc(status) : gate_->End(record_, status, context_));
}

void RpcCall::EndWith(const grpc::ByteBuffer* bytes) {
  const grpc::Status status =
      gate_ == nullptr ? grpc::Status::OK : gate_->End(record_, absl::OkStatus(), context_);
  StartWriteAndFinish(bytes, grpc::WriteOptions(), status);
}

void RpcCall::SetAlarm() {
  // gRPC itself cancels a call at its client's deadline. A later one does not switch off the limits
  // of the method.
  if (TimeLeft(context_) <= AlarmTime()) return;
  alarm_link_ = std::make_shared<AlarmLink>();
  {
    absl::MutexLock lock(&alarm_link_->mutex);
    alarm_link_->call = this;
  }
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(ToGpr(AlarmTime()), [link = alarm_link_](bool rang) {
    if (!rang) return;
    absl::MutexLock lock(&link->mutex);
    if (link->call != nullptr) link->call->OnAlarm();
  });
}

absl::Duration RpcCall::AlarmTime() const {
  const CallCost& cost = method_.cost;
  const bool is_bounded = cost.default_deadline < absl::InfiniteDuration();
  return method_.is_stream && is_bounded ? cost.default_deadline : cost.first_message;
}

void RpcCall::OnAlarm() {
  if (StopWaiting()) {
    End(absl::DeadlineExceededError(
        absl::StrCat("no message came within ", absl::FormatDuration(AlarmTime()))));
  } else if (method_.is_stream && method_.cost.default_deadline < absl::InfiniteDuration()) {
    // The client does not take what is sent to it.
    context_.TryCancel();
  }
}

void RpcCall::OnCancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  OnGone();
}

void RpcCall::OnDone() {
  if (alarm_link_ != nullptr) {
    absl::MutexLock lock(&alarm_link_->mutex);
    alarm_link_->call = nullptr;
  }
  OnEnd();
  delete this;
}

void OneRequestCall::OnReadDone(bool ok) {
  if (!StopWaiting()) return;
  if (!ok) {
    // The client closed its side without a message, or is gone.
    return End(is_cancelled() || context().IsCancelled()
                   ? absl::CancelledError("cancelled")
                   : absl::InvalidArgumentError("the request is missing"));
  }
  grpc::ByteBuffer bytes = std::exchange(bytes_, grpc::ByteBuffer());
  absl::Status status = CheckSize(method(), bytes);
  if (status.ok()) status = OnMessage(std::move(bytes));
  if (!status.ok()) return End(status);
  OnRequest();
}

}  // namespace s2p
