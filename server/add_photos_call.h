// One AddPhotos stream.
#ifndef S2P_SERVER_ADD_PHOTOS_CALL_H_
#define S2P_SERVER_ADD_PHOTOS_CALL_H_

#include <grpcpp/support/server_callback.h>

#include "s2p/v1/gallery.pb.h"
#include "server/service_context.h"

namespace s2p {

// Begins the call and returns its reactor, which deletes itself. A bounded number of photos is
// under way at one time; while that many are, the stream is not read, and gRPC's flow control
// stops the client. Responses go out in the order of the requests.
grpc::ServerBidiReactor<v1::AddPhotoRequest, v1::AddPhotoResponse>* StartAddPhotos(
    const ServiceContext& service, grpc::CallbackServerContext* context);

}  // namespace s2p

#endif  // S2P_SERVER_ADD_PHOTOS_CALL_H_
