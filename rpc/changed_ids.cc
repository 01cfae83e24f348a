#include "rpc/changed_ids.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The field, if it has the type and is not repeated, or is where that is wanted.
const FieldDescriptor* FindField(const Message& message, const char* name,
                                 FieldDescriptor::CppType type, bool is_repeated = false) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  const bool fits =
      field != nullptr && field->cpp_type() == type && field->is_repeated() == is_repeated;
  return fits ? field : nullptr;
}

void AddText(const Message& message, const char* name, std::vector<std::string>& ids) {
  const FieldDescriptor* field = FindField(message, name, FieldDescriptor::CPPTYPE_STRING);
  if (field == nullptr) return;
  std::string text = message.GetReflection()->GetString(message, field);
  if (!text.empty() && std::find(ids.begin(), ids.end(), text) == ids.end()) {
    ids.push_back(std::move(text));
  }
}

}  // namespace

std::vector<std::string> ChangedIds(const Message& request, const Message& response) {
  std::vector<std::string> ids;
  AddText(request, "photo_id", ids);
  AddText(request, "job_id", ids);
  const auto& reflection = *request.GetReflection();
  for (const char* name : {"photo_ids", "feedback_ids"}) {
    const auto* many = FindField(request, name, FieldDescriptor::CPPTYPE_STRING, true);
    if (many == nullptr) continue;
    for (int i = 0; i < reflection.FieldSize(request, many); ++i) {
      ids.push_back(reflection.GetRepeatedString(request, many, i));
    }
  }
  const auto* version = FindField(request, "version", FieldDescriptor::CPPTYPE_INT64);
  if (version != nullptr && reflection.HasField(request, version)) {
    ids.push_back(absl::StrCat(reflection.GetInt64(request, version)));
  }
  if (const auto* job = FindField(response, "job", FieldDescriptor::CPPTYPE_MESSAGE)) {
    AddText(response.GetReflection()->GetMessage(response, job), "job_id", ids);
  }
  return ids;
}

}  // namespace s2p
