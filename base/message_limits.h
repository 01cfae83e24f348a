// Limits on a message that hold before it is parsed.
#ifndef S2P_BASE_MESSAGE_LIMITS_H_
#define S2P_BASE_MESSAGE_LIMITS_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace s2p {

// The most elements that a repeated field may have.
struct FieldLimit {
  // The names of the fields from the message down to it: "examples.strokes.strokes.points".
  std::string path;
  uint64_t most = 0;
  // The elements are counted within each message of this field, which is a beginning of `path`:
  // "examples". Empty: within the whole message.
  std::string per;
};

// Counts what bytes would become if they were parsed, in one pass over protobuf's wire format. Two
// bytes can become an object of 50, so a limit on the bytes does not limit memory, and a check of
// the parsed message comes too late. Immutable.
class MessageLimits {
 public:
  // `type` is a generated message. Aborts unless every path names a repeated field of it.
  MessageLimits(const google::protobuf::Descriptor* type, const std::vector<FieldLimit>& limits);
  MessageLimits(const MessageLimits&);
  MessageLimits& operator=(const MessageLimits&);
  ~MessageLimits();

  const google::protobuf::Descriptor& type() const { return *type_; }

  // InvalidArgument, naming field and limit, if a field has too many elements, or if the message
  // would take more than four times its bytes and 4 MiB of memory. OK for bytes that are no such
  // message: what the parser would read before it fails is within the limits. Takes time in
  // proportion to the bytes, and no memory.
  absl::Status Check(google::protobuf::io::ZeroCopyInputStream* wire, uint64_t size_bytes) const;

 private:
  struct Node;
  class Scan;
  const google::protobuf::Descriptor* type_;
  std::shared_ptr<const Node> root_;
  std::vector<FieldLimit> limits_;
};

}  // namespace s2p

#endif  // S2P_BASE_MESSAGE_LIMITS_H_
