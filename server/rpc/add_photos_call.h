// One AddPhotos stream.
#ifndef S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_
#define S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/service_context.h"

namespace s2p {

// Begins the call and returns its reactor, which deletes itself. A bounded number of photos is
// under way at one time; while that many are, the stream is not read, and gRPC's flow control
// stops the client. Responses go out in the order of the requests. The messages are bytes because
// gRPC's own reader cannot tell one that it cannot parse from the end of the stream: such a message
// ends the call with INVALID_ARGUMENT, which says which one it was, when all before it are
// answered.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartAddPhotos(
    const ServiceContext& service, grpc::CallbackServerContext* context);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_
