// One GetPhoto stream.
#ifndef S2P_SERVER_RPC_GET_PHOTO_CALL_H_
#define S2P_SERVER_RPC_GET_PHOTO_CALL_H_

#include <grpcpp/support/server_callback.h>

#include "s2p/v1/gallery.pb.h"
#include "server/rpc/service_context.h"

namespace s2p {

// Starts the call and returns its reactor, which deletes itself.
grpc::ServerWriteReactor<v1::GetPhotoResponse>* StartGetPhoto(const ServiceContext& service,
                                                              grpc::CallbackServerContext* context,
                                                              const v1::GetPhotoRequest& request);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_GET_PHOTO_CALL_H_
