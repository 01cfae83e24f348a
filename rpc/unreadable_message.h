// The reason why bytes are not the expected message.
#ifndef S2P_RPC_UNREADABLE_MESSAGE_H_
#define S2P_RPC_UNREADABLE_MESSAGE_H_

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// Describes bytes that could not be parsed as `type`: names the first text that is not UTF-8, as in
// "metadata.value is not UTF-8", else returns "is not a s2p.v1.AddPhotoRequest". (protobuf's parser
// only says that it failed.)
std::string WhyUnreadable(absl::string_view bytes, const google::protobuf::Descriptor& type);

}  // namespace s2p

#endif  // S2P_RPC_UNREADABLE_MESSAGE_H_
