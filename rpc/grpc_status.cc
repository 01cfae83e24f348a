#include "rpc/grpc_status.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "daemon/retry_after.h"

namespace s2p {

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

grpc::Status ToGrpcWithRetryHint(const absl::Status& status, grpc::ServerContextBase& context) {
  if (absl::IsResourceExhausted(status)) {
    const std::optional<absl::Duration> after = RetryAfter(status);
    // A negative number means: do not retry.
    context.AddTrailingMetadata("grpc-retry-pushback-ms",
                                after ? absl::StrCat(absl::ToInt64Milliseconds(*after)) : "-1");
  }
  return ToGrpc(status);
}

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace s2p
