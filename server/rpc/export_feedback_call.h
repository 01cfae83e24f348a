// ExportFeedback: a stream of accepted matches.
#ifndef S2P_SERVER_RPC_EXPORT_FEEDBACK_CALL_H_
#define S2P_SERVER_RPC_EXPORT_FEEDBACK_CALL_H_

#include <grpcpp/support/server_callback.h>

#include "rpc/rpc_call.h"
#include "server/rpc/service_context.h"

namespace s2p {

// The call deletes itself. `service` must outlive it.
RpcCall* NewExportFeedbackCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                               const ServiceContext& service);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_EXPORT_FEEDBACK_CALL_H_
