#include "model/manifest_format.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"

namespace s2p {
namespace {

using Json = nlohmann::ordered_json;

// A field, and the version of the format that added it.
struct AddedField {
  uint32_t format;
  const char* pointer;
};

constexpr AddedField kAddedFields[] = {
    {2, "/photo/workSize"},
    {2, "/photo/measuredGround"},
    {2, "/sketch/workSize"},
    {2, "/sketch/measuredGround"},
    {2, "/provenance/validationFraction"},
    {2, "/provenance/initialWeightsSha256"},
    {2, "/provenance/sourceImagesSha256"},
    {2, "/provenance/targetImagesSha256"},
    {2, "/provenance/comparison/confidence"},
    {3, "/backbone/transformer"},
    {3, "/photo/resizeShorter"},
    {3, "/sketch/resizeShorter"},
};

// True if a value is used that version 3 added, and that older programs cannot parse.
bool HasValueOfFormat3(const v1::CheckpointManifest& manifest) {
  return manifest.embedding().pooling() == v1::POOLING_SUMMARY ||
         manifest.photo().filter() == v1::RESIZE_FILTER_BICUBIC ||
         manifest.sketch().filter() == v1::RESIZE_FILTER_BICUBIC;
}

absl::StatusOr<Json> ToJson(const v1::CheckpointManifest& manifest, bool with_unset) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = with_unset;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(manifest, &text, options);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("manifest: ", std::string(status.message())));
  }
  return Json::parse(text);
}

void Erase(const Json::json_pointer& field, Json& json) {
  if (json.contains(field)) json.at(field.parent_pointer()).erase(field.back());
}

}  // namespace

uint32_t OldestFormatOf(const v1::CheckpointManifest& manifest) {
  v1::CheckpointManifest described;
  *described.mutable_backbone() = manifest.backbone();
  *described.mutable_photo() = manifest.photo();
  *described.mutable_sketch() = manifest.sketch();
  *described.mutable_provenance() = manifest.provenance();
  const auto json = ToJson(described, /*with_unset=*/false);
  // Text that is not UTF-8 is refused when the manifest is written.
  if (!json.ok()) return kCheckpointFormatVersion;
  uint32_t oldest = HasValueOfFormat3(manifest) ? 3 : 1;
  for (const AddedField& field : kAddedFields) {
    if (json->contains(Json::json_pointer(field.pointer))) oldest = std::max(oldest, field.format);
  }
  return oldest;
}

absl::StatusOr<std::string> ManifestJson(const v1::CheckpointManifest& manifest) {
  auto json = ToJson(manifest, /*with_unset=*/true);
  if (!json.ok()) return json.status();
  for (const AddedField& field : kAddedFields) {
    if (field.format > manifest.format_version()) Erase(Json::json_pointer(field.pointer), *json);
  }
  return json->dump(1) + "\n";
}

}  // namespace s2p
