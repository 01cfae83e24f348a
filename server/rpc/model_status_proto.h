// ModelStatus on the wire.
#ifndef S2P_SERVER_RPC_MODEL_STATUS_PROTO_H_
#define S2P_SERVER_RPC_MODEL_STATUS_PROTO_H_

#include "s2p/v1/model.pb.h"
#include "server/versions/snapshot_loader.h"

namespace s2p {

v1::GetModelStatusResponse ToProto(const ModelStatus& status);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_MODEL_STATUS_PROTO_H_
