// The gate that every call of a server passes twice: when it comes in and when it ends.
#ifndef S2P_RPC_CALL_GATE_H_
#define S2P_RPC_CALL_GATE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rpc/api_keys.h"
#include "rpc/call_log.h"
#include "rpc/caller.h"
#include "rpc/rpc_metrics.h"

namespace s2p {

// Checks the key of each call, and counts, logs and names each call that ends. Thread-safe.
class CallGate {
 public:
  // Without `keys`, no key is required. `metrics` is borrowed.
  CallGate(std::optional<ApiKeys> keys, const CallLogOptions& log, RpcMetrics* metrics);

  // Every call passes this first, once. `method` is its path, "/s2p.v1.SearchService/Search", or
  // the last word of it. Reads the call's metadata alone, so it may be called before the message
  // has come. Unauthenticated without one of the keys.
  absl::StatusOr<Caller> Admit(absl::string_view method,
                               const grpc::ServerContextBase& context) const;

  // Counts and logs a call that has ended, adds its request id (the client's own if it sent a good
  // one) to the trailing metadata, and returns the status to finish it with. Every call ends with
  // this, once, whether it was admitted or not.
  grpc::Status End(const CallRecord& call, const absl::Status& status,
                   grpc::ServerContextBase& context);

 private:
  const std::optional<ApiKeys> keys_;
  CallLog log_;
  RpcMetrics& metrics_;
};

}  // namespace s2p

#endif  // S2P_RPC_CALL_GATE_H_
