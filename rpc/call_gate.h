// The gate that every call of a server passes twice: when it comes in and when it ends.
#ifndef S2P_RPC_CALL_GATE_H_
#define S2P_RPC_CALL_GATE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hidden_folders.h"
#include "daemon/callers/token_buckets.h"
#include "daemon/reloaded.h"
#include "rpc/api_keys.h"
#include "rpc/audit_log.h"
#include "rpc/call_log.h"
#include "rpc/caller.h"
#include "rpc/rpc_metrics.h"

namespace s2p {

class Options;

struct AccessOptions {
  // Calls that one key, or one address beyond this machine, may start in a second, on average; a
  // second's worth may come at once. 0: any number. Each call counts, but not the messages of a
  // stream. A gateway's address stands for all that come through it.
  double calls_per_second_per_key = 0;
  double calls_per_second_per_address = 1000;
  // Whether the addresses of this machine are limited, too.
  bool limit_loopback = false;
  // As in AuditLog::Open.
  std::string audit_log;
  // No text for a client names these.
  HiddenFolders hidden;
};

// Adds --calls-per-second-per-key, --calls-per-second-per-address and --audit-log.
void AddAccessOptions(Options* options, AccessOptions* access);

// Checks how often a caller calls, and the key and its roles; counts, logs and names each call that
// ends, and records changes. Thread-safe.
class CallGate {
 public:
  // If `keys` is null, no key is required. `metrics` is borrowed.
  CallGate(const AccessOptions& access, std::unique_ptr<AuditLog> audit,
           std::unique_ptr<Reloaded<ApiKeys>> keys, const CallLogOptions& log, RpcMetrics* metrics);

  // Every call passes this first, once. `method` is its path, "/s2p.v1.SearchService/Search", or
  // the last word of it. Reads the call's metadata alone, so it may be called before the message
  // has come. Unauthenticated without one of the keys; PermissionDenied, naming the role, if the
  // key has none that opens the method (rpc/method_roles.h); BusyError if its key or address calls
  // too often.
  absl::StatusOr<Caller> Admit(absl::string_view method,
                               const grpc::ServerContextBase& context) const;

  // The same for a call that has a record, which gets its request id, and the caller if admitted.
  absl::Status Admit(CallRecord* call, const grpc::ServerContextBase& context) const;

  // Counts and logs a call that has ended, records what it has changed, adds its request id (the
  // client's own if it sent a good one) to the trailing metadata, and returns the status to finish
  // it with, which names no hidden folder. Every call ends with this, once, whether it was admitted
  // or not.
  grpc::Status End(const CallRecord& call, const absl::Status& status,
                   grpc::ServerContextBase& context);

  // Records one of many changes of an admitted call; End records them together.
  void RecordPart(const CallRecord& call, const std::string& id, absl::StatusCode code);

  // For the statuses and reasons that are part of a response.
  const HiddenFolders& hidden() const { return access_.hidden; }

 private:
  const AccessOptions access_;
  const std::unique_ptr<AuditLog> audit_;
  const std::unique_ptr<Reloaded<ApiKeys>> keys_;
  // Null: no limit.
  const std::unique_ptr<TokenBuckets> by_key_;
  const std::unique_ptr<TokenBuckets> by_address_;
  CallLog log_;
  RpcMetrics& metrics_;
};

}  // namespace s2p

#endif  // S2P_RPC_CALL_GATE_H_
