#include "rpc/call_gate.h"

#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "base/steady_time.h"
#include "rpc/credentials.h"
#include "rpc/grpc_status.h"
#include "rpc/request_id.h"

namespace s2p {

CallGate::CallGate(std::optional<ApiKeys> keys, const CallLogOptions& log, RpcMetrics* metrics)
    : keys_(std::move(keys)), log_(log), metrics_(*metrics) {}

absl::StatusOr<Caller> CallGate::Admit(absl::string_view,
                                       const grpc::ServerContextBase& context) const {
  S2P_RETURN_IF_ERROR(AuthorizeCall(keys_ ? &*keys_ : nullptr, context.client_metadata()));
  Caller caller;
  caller.address = AddressOf(context.peer());
  return caller;
}

grpc::Status CallGate::End(const CallRecord& call, const absl::Status& status,
                           grpc::ServerContextBase& context) {
  const SteadyTime now = SteadyTime::Now();
  const auto sent = context.client_metadata().find(kRequestIdKey);
  const std::string request_id =
      RequestIdOr(sent == context.client_metadata().end()
                      ? absl::string_view()
                      : absl::string_view(sent->second.data(), sent->second.size()));
  context.AddTrailingMetadata(kRequestIdKey, request_id);
  metrics_.CountRequest(call.method, status.code(), now - call.start);
  log_.Ended(call, request_id, context.peer(), status, now);
  return ToGrpcWithRetryHint(status, context);
}

}  // namespace s2p
