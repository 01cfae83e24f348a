// RecordFeedback: from its request to its durable entry.
#ifndef S2P_SERVER_RPC_RECORD_FEEDBACK_CALL_H_
#define S2P_SERVER_RPC_RECORD_FEEDBACK_CALL_H_

#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "rpc/rpc_call.h"
#include "server/rpc/service_context.h"

namespace s2p {

// The answer of every method of FeedbackService where feedback is not collected.
absl::Status FeedbackIsOff();

// The call deletes itself. `service` must outlive it.
RpcCall* NewRecordFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                               const ServiceContext& service);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_RECORD_FEEDBACK_CALL_H_
