#include "rpc/call_gate.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "base/user_key.h"
#include "base/utf8.h"
#include "daemon/options.h"
#include "daemon/retry_after.h"
#include "rpc/credentials.h"
#include "rpc/grpc_status.h"
#include "rpc/method_roles.h"
#include "rpc/request_id.h"

namespace s2p {
namespace {

// How many addresses, and how many keys, are remembered; each takes some 200 bytes.
constexpr size_t kMostCallers = 10000;
// A retry earlier than that costs more than waiting.
constexpr absl::Duration kShortestPause = absl::Milliseconds(10);

std::unique_ptr<TokenBuckets> BucketsOf(double rate) {
  return rate > 0 ? std::make_unique<TokenBuckets>(rate, kMostCallers) : nullptr;
}

// ResourceExhausted if the caller calls too often. `by` is "key" or "address".
absl::Status TakeToken(TokenBuckets* buckets, absl::string_view by, const std::string& caller,
                       RpcMetrics& metrics) {
  if (buckets == nullptr) return absl::OkStatus();
  const absl::Duration pause = buckets->Take(caller, TokenBuckets::Clock::now());
  if (pause == absl::ZeroDuration()) return absl::OkStatus();
  metrics.CountRateLimited(by);
  return BusyError(
      absl::StrCat("the ", by, " ", caller, " may start ", buckets->rate(), " calls a second"),
      std::max(pause, kShortestPause));
}

// Returns the user that the caller names. Callers choose it freely, so the audit log shows it next
// to the key.
std::string UserOf(const grpc::ServerContextBase& context) {
  constexpr size_t kMostBytes = 256;
  const auto [begin, end] = context.client_metadata().equal_range(kUserKey);
  if (begin == end || std::next(begin) != end) return "";
  return Printable(
      absl::string_view(begin->second.data(), std::min(begin->second.size(), kMostBytes)));
}

AuditEntry EntryOf(const CallRecord& call, absl::StatusCode code) {
  AuditEntry entry;
  entry.when = absl::Now();
  entry.caller = *call.caller;
  entry.method = call.method;
  entry.code = CodeName(code);
  entry.request_id = call.request_id;
  return entry;
}

}  // namespace

void AddAccessOptions(Options* options, AccessOptions* access) {
  options
      ->Add("calls-per-second-per-key", &access->calls_per_second_per_key,
            "calls that one API key may start, on average; 0: any number")
      .Range(0, 1e6);
  options
      ->Add("calls-per-second-per-address", &access->calls_per_second_per_address,
            "calls that one address beyond this machine may start, on average; 0: any number")
      .Range(0, 1e6);
  options->Add("audit-log", &access->audit_log,
               "file to append a line of JSON to for each change; without it the log has them");
}

CallGate::CallGate(const AccessOptions& access, std::unique_ptr<AuditLog> audit,
                   std::unique_ptr<Reloaded<ApiKeys>> keys, const CallLogOptions& log,
                   RpcMetrics* metrics)
    : access_(access),
      audit_(std::move(audit)),
      keys_(std::move(keys)),
      by_key_(BucketsOf(access.calls_per_second_per_key)),
      by_address_(BucketsOf(access.calls_per_second_per_address)),
      log_(log),
      metrics_(*metrics) {}

absl::StatusOr<Caller> CallGate::Admit(absl::string_view method,
                                       const grpc::ServerContextBase& context) const {
  const std::string name(method.substr(method.rfind('/') + 1));
  CallRecord call;
  call.method = name.c_str();
  S2P_RETURN_IF_ERROR(Admit(&call, context));
  return *call.caller;
}

absl::Status CallGate::Admit(CallRecord* call, const grpc::ServerContextBase& context) const {
  // Each entry about the call has the same id, that of a refused change, too.
  if (call->request_id.empty()) call->request_id = RequestIdOf(context.client_metadata());
  Caller caller;
  caller.address = AddressOf(context.peer());
  if (access_.limit_loopback || !IsLoopback(caller.address)) {
    S2P_RETURN_IF_ERROR(TakeToken(by_address_.get(), "address", caller.address, metrics_));
  }
  const std::shared_ptr<const ApiKeys> keys = keys_ == nullptr ? nullptr : keys_->Get();
  S2P_ASSIGN_OR_RETURN(const auto holder, AuthorizeCall(keys.get(), context.client_metadata()));
  caller.name = holder.name;
  if (keys != nullptr) {
    S2P_RETURN_IF_ERROR(TakeToken(by_key_.get(), "key", caller.name, metrics_));
  }
  const absl::Status status = CheckRoles(call->method, holder.roles);
  if (status.ok()) {
    // Nobody vouches for a name that comes without a key, or with one that opens no such method.
    if (keys != nullptr) caller.user = UserOf(context);
    call->caller = std::move(caller);
  } else if (RuleOf(call->method).is_change) {
    CallRecord refused;
    refused.method = call->method;
    refused.caller = std::move(caller);
    refused.request_id = call->request_id;
    audit_->Write(EntryOf(refused, status.code()));
  }
  return status;
}

grpc::Status CallGate::End(const CallRecord& call, const absl::Status& status,
                           grpc::ServerContextBase& context) {
  const SteadyTime now = SteadyTime::Now();
  const std::string request_id =
      call.request_id.empty() ? RequestIdOf(context.client_metadata()) : call.request_id;
  context.AddTrailingMetadata(kRequestIdKey, request_id);
  metrics_.CountRequest(call.method, status.code(), now - call.start);
  log_.Ended(call, request_id, context.peer(), status, now);
  if (call.caller && RuleOf(call.method).is_change) {
    AuditEntry entry = EntryOf(call, status.code());
    entry.request_id = request_id;
    entry.ids = call.changed;
    entry.count = std::max(call.changes, static_cast<int64_t>(call.changed.size()));
    audit_->Write(entry);
  }
  return ToGrpcWithRetryHint(access_.hidden.Hide(status), context);
}

void CallGate::RecordPart(const CallRecord& call, const std::string& id, absl::StatusCode code) {
  AuditEntry entry = EntryOf(call, code);
  entry.ids = {id};
  entry.count = 1;
  entry.is_part = true;
  audit_->Write(entry);
}

}  // namespace s2p
