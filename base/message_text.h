// Protobuf messages as people write them: in files, and as assignments on a command line.
#ifndef S2P_BASE_MESSAGE_TEXT_H_
#define S2P_BASE_MESSAGE_TEXT_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Reads a file of at most 1 MiB in protobuf's text format, or in JSON when it begins with "{", into
// an empty message. Fails as ReadTextFile does; InvalidArgument naming the file and the problem,
// with line and column for the text format.
absl::Status ReadMessageFile(const std::string& path, google::protobuf::Message& message);

// The same for a string in the text format; error messages start with `where`.
absl::Status ParseMessageText(const std::string& text, absl::string_view where,
                              google::protobuf::Message& message);

// Sets one field from "step2.epochs=5": names as in the proto, enum values with or without their
// prefix, in any case. A list of strings is replaced, from "attributes=boots,laces", where commas
// separate. InvalidArgument naming the field and the values it accepts.
absl::Status SetMessageField(absl::string_view assignment, google::protobuf::Message& message);

}  // namespace s2p

#endif  // S2P_BASE_MESSAGE_TEXT_H_
