#include "server/rpc/status_proto.h"

#include <string>

namespace s2p {

v1::Status ToProto(const absl::Status& status) {
  v1::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(std::string(status.message()));
  return proto;
}

}  // namespace s2p
