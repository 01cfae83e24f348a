// Adds one photo: from its request to its outcome.
#ifndef S2P_SERVER_RPC_PHOTO_ADDER_H_
#define S2P_SERVER_RPC_PHOTO_ADDER_H_

#include "absl/status/statusor.h"
#include "s2p/v1/gallery.pb.h"
#include "server/rpc/service_context.h"

namespace s2p {

// Checks the request, decodes, embeds and writes; blocks until the photo is durable and searchable.
// The response's status: InvalidArgument naming the field; AlreadyExists as on_conflict says;
// Unavailable before the first model; ResourceExhausted when the disk is full; Cancelled if
// `cancelled` says so before it is embedded. For the add pool's threads. Thread-safe.
v1::AddPhotoResponse AddPhoto(const ServiceContext& service, v1::AddPhotoRequest request,
                              const std::function<bool()>& cancelled);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_PHOTO_ADDER_H_
