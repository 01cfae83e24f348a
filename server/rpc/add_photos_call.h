// One AddPhotos stream.
#ifndef S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_
#define S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include "server/rpc/service_context.h"

namespace s2p {

// Starts the call and returns its reactor, which deletes itself. The number of photos in progress
// is limited; at the limit the stream is not read, and gRPC's flow control stops the client.
// Responses have the order of the requests. The messages are bytes because gRPC's own reader does
// not distinguish a message that it cannot parse from the end of the stream. Such a message ends
// the call with INVALID_ARGUMENT, which names it, when all before it are answered.
grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* StartAddPhotos(
    const ServiceContext& service, grpc::CallbackServerContext* context);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_ADD_PHOTOS_CALL_H_
