#include "base/message_limits.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/check.h"

namespace s2p {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Deeper than the parser goes, which fails at 100.
constexpr int kMostNested = 110;

constexpr uint64_t kMostGrowth = 4;
constexpr uint64_t kGrowthSlackBytes = uint64_t{4} << 20;

// Protobuf allocates this for a string's object, the place of an element in a list, an entry of a
// map with its node, and a field that the type does not have.
constexpr uint64_t kStringBytes = 32;
constexpr uint64_t kPlaceBytes = 16;
constexpr uint64_t kMapEntryBytes = 128;
constexpr uint64_t kUnknownFieldBytes = 32;

// The size of an empty message of the type.
uint64_t EmptySize(const Descriptor& type) {
  if (type.options().map_entry()) return kMapEntryBytes;
  return google::protobuf::MessageFactory::generated_factory()
      ->GetPrototype(&type)
      ->SpaceUsedLong();
}

// Bytes that the elements of a packed field take.
uint64_t PackedBytes(const FieldDescriptor& field, uint64_t size) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_BOOL:
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FLOAT:
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED32:
    case FieldDescriptor::TYPE_SFIXED64:
      return size;
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_SINT64:
      return 8 * size;
    default:
      return 4 * size;
  }
}

}  // namespace

// The place of a field in the tree of all fields that a limit concerns.
struct MessageLimits::Node {
  // By field number.
  std::map<int, Node> fields;
  // The index of the field's own limit; -1: none.
  int limit = -1;
  // The limits whose count starts again with each message here.
  std::vector<int> starts;
};

// One pass.
class MessageLimits::Scan {
 public:
  Scan(const MessageLimits& limits, CodedInputStream* in, uint64_t size_bytes)
      : limits_(limits),
        in_(*in),
        most_bytes_(kMostGrowth * size_bytes + kGrowthSlackBytes),
        counts_(limits.limits_.size()) {}

  // Reads the fields of a message to its end, or of a group to its end's tag. False at bytes that
  // are no field, or if a limit is passed. `type` is null in fields that are unknown, `node` where
  // no limit is.
  bool Message(const Descriptor* type, const Node* node, int nested, bool is_group) {
    if (nested > kMostNested) return false;
    while (const uint32_t tag = in_.ReadTag()) {
      if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_END_GROUP) {
        return is_group;
      }
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      const FieldDescriptor* field = type == nullptr ? nullptr : type->FindFieldByNumber(number);
      const Node* child = nullptr;
      if (node != nullptr) {
        const auto found = node->fields.find(number);
        if (found != node->fields.end()) child = &found->second;
      }
      if (child != nullptr && !Count(*child, *field)) return false;
      if (!Field(tag, field, child, nested)) return false;
    }
    return !is_group && in_.ConsumedEntireMessage();
  }

  absl::Status Result() const { return status_; }

 private:
  bool Field(uint32_t tag, const FieldDescriptor* field, const Node* node, int nested) {
    switch (WireFormatLite::GetTagWireType(tag)) {
      case WireFormatLite::WIRETYPE_START_GROUP:
        return Take(kUnknownFieldBytes, field) &&
               Message(nullptr, nullptr, nested + 1, /*is_group=*/true);
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return Delimited(field, node, nested);
      default:
        return Take(field == nullptr       ? kUnknownFieldBytes
                    : field->is_repeated() ? 8
                                           : 0,
                    field) &&
               WireFormatLite::SkipField(&in_, tag);
    }
  }

  bool Delimited(const FieldDescriptor* field, const Node* node, int nested) {
    int size = 0;
    if (!in_.ReadVarintSizeAsInt(&size)) return false;
    if (field == nullptr) {
      return Take(kUnknownFieldBytes + kStringBytes + static_cast<uint64_t>(size), field) &&
             in_.Skip(size);
    }
    const uint64_t place = field->is_repeated() ? kPlaceBytes : 0;
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return Take(place + kStringBytes + static_cast<uint64_t>(size), field) && in_.Skip(size);
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        if (!Take(place + SizeOf(*field->message_type()), field)) return false;
        const CodedInputStream::Limit outer = in_.PushLimit(size);
        path_.push_back(field);
        const bool whole = Message(field->message_type(), node, nested + 1, /*is_group=*/false);
        if (whole) path_.pop_back();
        in_.PopLimit(outer);
        return whole;
      }
      default:
        return Take(PackedBytes(*field, static_cast<uint64_t>(size)), field) && in_.Skip(size);
    }
  }

  // One more element of the field.
  bool Count(const Node& node, const FieldDescriptor& field) {
    for (const int limit : node.starts) counts_[static_cast<size_t>(limit)] = 0;
    if (node.limit < 0) return true;
    const auto index = static_cast<size_t>(node.limit);
    const FieldLimit& limit = limits_.limits_[index];
    if (++counts_[index] <= limit.most) return true;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(PathOf(&field), ": more than ", limit.most, " elements",
                     limit.per.empty() ? "" : absl::StrCat(" in one of ", limit.per), "; at most ",
                     limit.most, " are allowed"));
    return false;
  }

  bool Take(uint64_t bytes, const FieldDescriptor* field) {
    bytes_ += bytes;
    if (bytes_ <= most_bytes_) return true;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(PathOf(field), ": too many small parts: the message would take more than ",
                     most_bytes_, " bytes of memory, the limit for its size"));
    return false;
  }

  std::string PathOf(const FieldDescriptor* field) const {
    std::string path;
    for (const FieldDescriptor* outer : path_) absl::StrAppend(&path, outer->name(), ".");
    return absl::StrCat(path, field == nullptr ? "(unknown field)" : field->name());
  }

  uint64_t SizeOf(const Descriptor& type) {
    uint64_t& size = sizes_[&type];
    if (size == 0) size = EmptySize(type);
    return size;
  }

  const MessageLimits& limits_;
  CodedInputStream& in_;
  const uint64_t most_bytes_;
  // By the limit's index.
  std::vector<uint64_t> counts_;
  uint64_t bytes_ = 0;
  // The fields around the place that is read.
  std::vector<const FieldDescriptor*> path_;
  std::map<const Descriptor*, uint64_t> sizes_;
  absl::Status status_;
};

MessageLimits::MessageLimits(const Descriptor* type, const std::vector<FieldLimit>& limits)
    : type_(type), limits_(limits) {
  auto root = std::make_shared<Node>();
  for (size_t i = 0; i < limits.size(); ++i) {
    Node* node = root.get();
    const Descriptor* message = type;
    std::vector<std::string> names;
    bool repeated = false;
    if (limits[i].per.empty()) root->starts.push_back(static_cast<int>(i));
    for (const absl::string_view name : absl::StrSplit(limits[i].path, '.')) {
      const FieldDescriptor* field =
          message == nullptr ? nullptr : message->FindFieldByName(std::string(name));
      S2P_CHECK(field != nullptr);
      repeated = field->is_repeated();
      node = &node->fields[field->number()];
      message = field->message_type();
      names.emplace_back(name);
      if (absl::StrJoin(names, ".") == limits[i].per) node->starts.push_back(static_cast<int>(i));
    }
    S2P_CHECK(repeated);
    node->limit = static_cast<int>(i);
  }
  root_ = std::move(root);
}

MessageLimits::MessageLimits(const MessageLimits&) = default;
MessageLimits& MessageLimits::operator=(const MessageLimits&) = default;
MessageLimits::~MessageLimits() = default;

absl::Status MessageLimits::Check(google::protobuf::io::ZeroCopyInputStream* wire,
                                  uint64_t size_bytes) const {
  CodedInputStream in(wire);
  Scan scan(*this, &in, size_bytes);
  scan.Message(type_, root_.get(), 0, /*is_group=*/false);
  return scan.Result();
}

}  // namespace s2p
