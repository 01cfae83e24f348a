// Our errors as the API's own Status.
#ifndef S2P_SERVER_RPC_STATUS_PROTO_H_
#define S2P_SERVER_RPC_STATUS_PROTO_H_

#include "absl/status/status.h"
#include "s2p/v1/gallery.pb.h"

namespace s2p {

// Codes are the same numbers on both sides.
v1::Status ToProto(const absl::Status& status);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_STATUS_PROTO_H_
