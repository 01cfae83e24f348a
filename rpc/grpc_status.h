// Our errors as gRPC's.
#ifndef S2P_RPC_GRPC_STATUS_H_
#define S2P_RPC_GRPC_STATUS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace s2p {

// Codes are the same numbers on both sides.
grpc::Status ToGrpc(const absl::Status& status);

// The same; for ResourceExhausted also tells the caller, in the trailing metadata, when to come
// back (daemon/retry_after.h), or that it need not: a client with a retry policy and a large enough
// retry buffer obeys by itself.
grpc::Status ToGrpcWithRetryHint(const absl::Status& status, grpc::ServerContextBase& context);

// As metrics and logs show it: "INVALID_ARGUMENT".
std::string CodeName(absl::StatusCode code);

}  // namespace s2p

#endif  // S2P_RPC_GRPC_STATUS_H_
