// Statuses of ours as statuses of gRPC.
#ifndef S2P_RPC_GRPC_STATUS_H_
#define S2P_RPC_GRPC_STATUS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace s2p {

// Codes are the same numbers on both sides.
grpc::Status ToGrpc(const absl::Status& status);

// As ToGrpc; for ResourceExhausted, the trailing metadata also says when to retry
// (daemon/retry_after.h), or not to: a client with a retry policy and a large enough retry buffer
// obeys automatically.
grpc::Status ToGrpcWithRetryHint(const absl::Status& status, grpc::ServerContextBase& context);

// The name in metrics and logs: "INVALID_ARGUMENT".
std::string CodeName(absl::StatusCode code);

}  // namespace s2p

#endif  // S2P_RPC_GRPC_STATUS_H_
