// Why bytes are not the message that was expected.
#ifndef S2P_RPC_UNREADABLE_MESSAGE_H_
#define S2P_RPC_UNREADABLE_MESSAGE_H_

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/strings/string_view.h"

namespace s2p {

// A phrase about bytes that could not be parsed as `type`: it names the first text that is not
// UTF-8, such as "metadata.value is not UTF-8", else it says "is not a s2p.v1.AddPhotoRequest".
// (protobuf's parser only says that it failed.)
std::string WhyUnreadable(absl::string_view bytes, const google::protobuf::Descriptor& type);

}  // namespace s2p

#endif  // S2P_RPC_UNREADABLE_MESSAGE_H_
