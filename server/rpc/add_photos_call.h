// One AddPhotos stream.
#ifndef S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_
#define S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_

#include "rpc/rpc_call.h"
#include "server/rpc/service_context.h"

namespace s2p {

// For RpcService::Add. The number of photos in progress is limited, and so are the bytes of all
// streams (ServiceContext::add_bytes); at a limit the stream is not read, and gRPC's flow control
// stops the client. Responses have the order of the requests. A message that cannot be read ends
// the call with INVALID_ARGUMENT, which names it, when all before it are answered.
RpcCall* NewAddPhotosCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                          const ServiceContext& service);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_
