#include "daemon/grpc_status.h"

namespace s2p {
namespace {

// About what a full queue takes to empty on the smallest machine.
constexpr char kPushbackMilliseconds[] = "100";

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message())};
}

grpc::Status ToGrpcWithRetryHint(const absl::Status& status, grpc::ServerContextBase& context) {
  if (absl::IsResourceExhausted(status)) {
    context.AddTrailingMetadata("grpc-retry-pushback-ms", kPushbackMilliseconds);
  }
  return ToGrpc(status);
}

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

}  // namespace s2p
