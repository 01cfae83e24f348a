#include "model/manifest_format.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

using Json = nlohmann::ordered_json;

// The fields that version 2 adds to version 1.
constexpr const char* kFieldsOfFormat2[] = {
    "/photo/workSize",
    "/photo/measuredGround",
    "/sketch/workSize",
    "/sketch/measuredGround",
    "/provenance/validationFraction",
    "/provenance/initialWeightsSha256",
    "/provenance/sourceImagesSha256",
    "/provenance/targetImagesSha256",
    "/provenance/comparison/confidence",
};

// The fields that version 3 adds, besides the filter BICUBIC.
constexpr const char* kFieldsOfFormat3[] = {"/photo/resizeShorter", "/sketch/resizeShorter"};

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
  *described.mutable_photo() = manifest.photo();
  *described.mutable_sketch() = manifest.sketch();
  *described.mutable_provenance() = manifest.provenance();
  const auto json = ToJson(described, /*with_unset=*/false);
  // Text that is not UTF-8 is refused when the manifest is written.
  if (!json.ok()) return 2;
  for (const char* field : kFieldsOfFormat3) {
    if (json->contains(Json::json_pointer(field))) return 3;
  }
  for (const v1::Preprocessing* steps : {&manifest.photo(), &manifest.sketch()}) {
    if (steps->filter() == v1::RESIZE_FILTER_BICUBIC) return 3;
  }
  for (const char* field : kFieldsOfFormat2) {
    if (json->contains(Json::json_pointer(field))) return 2;
  }
  return 1;
}

absl::StatusOr<std::string> ManifestJson(const v1::CheckpointManifest& manifest) {
  auto json = ToJson(manifest, /*with_unset=*/true);
  if (!json.ok()) return json.status();
  if (manifest.format_version() < 2) {
    for (const char* field : kFieldsOfFormat2) Erase(Json::json_pointer(field), *json);
  }
  if (manifest.format_version() < 3) {
    for (const char* field : kFieldsOfFormat3) Erase(Json::json_pointer(field), *json);
  }
  return json->dump(1) + "\n";
}

}  // namespace s2p
