#include "rpc/unreadable_message.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace s2p {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// protobuf's own limit.
constexpr int kMostNested = 100;

// The path of fields to the first text that is not UTF-8; empty if there is none before the end, or
// before the bytes stop being fields.
std::string FindBadText(absl::string_view bytes, const Descriptor& type, int nested) {
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  while (const uint32_t tag = in.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&in, tag)) return "";
      continue;
    }
    uint32_t size = 0;
    if (!in.ReadVarint32(&size)) return "";
    const absl::string_view rest = bytes.substr(static_cast<size_t>(in.CurrentPosition()));
    if (size > rest.size()) return "";
    const absl::string_view value = rest.substr(0, size);
    in.Skip(static_cast<int>(size));
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    if (field == nullptr) continue;
    if (field->type() == FieldDescriptor::TYPE_STRING && !IsUtf8(value)) {
      return field->name();
    }
    if (field->type() != FieldDescriptor::TYPE_MESSAGE || nested == kMostNested) continue;
    const std::string inner = FindBadText(value, *field->message_type(), nested + 1);
    if (!inner.empty()) return absl::StrCat(field->name(), ".", inner);
  }
  return "";
}

}  // namespace

std::string WhyUnreadable(absl::string_view bytes, const Descriptor& type) {
  const std::string text = FindBadText(bytes, type, 0);
  if (!text.empty()) return absl::StrCat(text, " is not UTF-8");
  return absl::StrCat("is not a ", type.full_name());
}

}  // namespace s2p
