#include "base/message_text.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "base/text_file.h"
#include "base/utf8.h"

namespace s2p {
namespace {

namespace pb = google::protobuf;

constexpr uint64_t kMaxFileBytes = 1 << 20;

// Word processors and web pages turn quotes and blanks into characters like these.
constexpr absl::string_view kNotAscii =
    "a non-ASCII character outside a \"quoted\" text; is it a typographic quote or blank?";

// The parser continues after an error; the first one is the cause.
class FirstError : public pb::io::ErrorCollector {
 public:
  void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
    if (!text.empty()) return;
    text = absl::StrCat(line + 1, ":", column + 1, ": ",
                        absl::StartsWith(message, "Interpreting non ascii") ? kNotAscii : message);
  }
  std::string text;
};

// Parses a number of the value's type; false if the text is not a number or is out of range.
bool ParseNumber(const std::string& text, uint32_t& value) {
  return absl::SimpleAtoi(text, &value);
}
bool ParseNumber(const std::string& text, uint64_t& value) {
  return absl::SimpleAtoi(text, &value);
}
bool ParseNumber(const std::string& text, int64_t& value) { return absl::SimpleAtoi(text, &value); }
bool ParseNumber(const std::string& text, double& value) { return absl::SimpleAtod(text, &value); }
bool ParseNumber(const std::string& text, bool& value) { return absl::SimpleAtob(text, &value); }

template <typename Number>
absl::Status SetNumber(const std::string& text, const char* what, pb::Message& message,
                       const pb::FieldDescriptor& field,
                       void (pb::Reflection::*set)(pb::Message*, const pb::FieldDescriptor*, Number)
                           const) {
  Number value{};
  if (!ParseNumber(text, value)) return absl::InvalidArgumentError(absl::StrCat("must be ", what));
  (message.GetReflection()->*set)(&message, &field, value);
  return absl::OkStatus();
}

absl::Status SetEnum(const std::string& text, pb::Message& message,
                     const pb::FieldDescriptor& field) {
  const pb::EnumDescriptor& type = *field.enum_type();
  const absl::string_view prefix = absl::StripSuffix(type.value(0)->name(), "UNSPECIFIED");
  std::vector<absl::string_view> choices;
  for (int i = 0; i < type.value_count(); ++i) {
    const pb::EnumValueDescriptor& value = *type.value(i);
    const absl::string_view choice = absl::StripPrefix(value.name(), prefix);
    const std::string upper = absl::AsciiStrToUpper(text);
    if (upper == value.name() || upper == choice) {
      message.GetReflection()->SetEnum(&message, &field, &value);
      return absl::OkStatus();
    }
    if (i > 0) choices.push_back(choice);
  }
  return absl::InvalidArgumentError(absl::StrCat("must be one of ", absl::StrJoin(choices, ", ")));
}

absl::Status SetValue(const std::string& text, pb::Message& message,
                      const pb::FieldDescriptor& field) {
  constexpr char kWhole[] = "a whole number of 0 or more";
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_STRING:
      if (!IsUtf8(text)) {
        return absl::InvalidArgumentError(
            absl::StrCat("\"", Printable(text), "\" must be UTF-8; rename the file or folder"));
      }
      message.GetReflection()->SetString(&message, &field, text);
      return absl::OkStatus();
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return SetNumber(text, "true or false", message, field, &pb::Reflection::SetBool);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return SetNumber(text, kWhole, message, field, &pb::Reflection::SetUInt32);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return SetNumber(text, kWhole, message, field, &pb::Reflection::SetUInt64);
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return SetNumber(text, "a whole number", message, field, &pb::Reflection::SetInt64);
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return SetNumber(text, "a number", message, field, &pb::Reflection::SetDouble);
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(text, message, field);
    default:
      return absl::InvalidArgumentError("is a group of fields: set one of them");
  }
}

// Replaces the list by what stands between the commas; an empty text empties it.
absl::Status SetList(const std::string& text, pb::Message& message,
                     const pb::FieldDescriptor& field) {
  if (field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING) {
    return absl::InvalidArgumentError("is a list: write it in the spec's file");
  }
  if (!IsUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", Printable(text), "\" must be UTF-8"));
  }
  message.GetReflection()->ClearField(&message, &field);
  for (const absl::string_view entry : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    message.GetReflection()->AddString(&message, &field,
                                       std::string(absl::StripAsciiWhitespace(entry)));
  }
  return absl::OkStatus();
}

std::string FieldNames(const pb::Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return absl::StrJoin(names, ", ");
}

}  // namespace

absl::Status ParseMessageText(const std::string& text, absl::string_view where,
                              pb::Message& message) {
  FirstError error;
  pb::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.ParseFromString(text, &message)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(where, ":", error.text));
}

absl::Status ReadMessageFile(const std::string& path, pb::Message& message) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadTextFile(path, kMaxFileBytes));
  if (!absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "{")) {
    return ParseMessageText(text, path, message);
  }
  const auto status = pb::util::JsonStringToMessage(text, &message);
  if (status.ok()) return absl::OkStatus();
  const std::string why(status.message().data(), status.message().size());
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

absl::Status SetMessageField(absl::string_view assignment, pb::Message& root) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(assignment, absl::MaxSplits('=', 1));
  if (!absl::StrContains(assignment, '=')) {
    return absl::InvalidArgumentError(absl::StrCat(assignment, ": expected FIELD=VALUE"));
  }
  const std::string path(parts.first);
  pb::Message* message = &root;
  const pb::FieldDescriptor* field = nullptr;
  for (const absl::string_view name : absl::StrSplit(path, '.')) {
    if (field != nullptr) {
      if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": ", field->name(), " has no fields"));
      }
      message = message->GetReflection()->MutableMessage(message, field);
    }
    field = message->GetDescriptor()->FindFieldByName(std::string(name));
    if (field == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("there is no field ", path, "; known are ",
                                                     FieldNames(*message->GetDescriptor())));
    }
  }
  const std::string text(parts.second);
  const absl::Status status =
      field->is_repeated() ? SetList(text, *message, *field) : SetValue(text, *message, *field);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace s2p
