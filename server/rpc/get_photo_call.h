// One GetPhoto stream.
#ifndef S2P_SERVER_RPC_GET_PHOTO_CALL_H_
#define S2P_SERVER_RPC_GET_PHOTO_CALL_H_

#include "rpc/rpc_call.h"
#include "server/rpc/service_context.h"

namespace s2p {

// For RpcService::Add. An original is read from its file piece by piece, as the client takes it: a
// client that does not read holds one piece until the deadline. The number of these calls is
// limited (ServiceContext::photo_places).
RpcCall* NewGetPhotoCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                         const ServiceContext& service);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_GET_PHOTO_CALL_H_
