#include "server/search/request_limits.h"

#include <string>

#include "absl/strings/string_view.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

// Framing of each field and each pair, and the small fields of a message.
constexpr uint64_t kFrameBytes = 32;

void AddFilter(const Limits& limits, std::vector<FieldLimit>& fields) {
  fields.push_back({"filter.metadata", limits.max_metadata_pairs, ""});
  fields.push_back({"filter.attributes", limits.max_metadata_pairs, ""});
  fields.push_back({"filter.exclude_photo_ids", limits.max_ids, ""});
  fields.push_back({"filter.colors", kMostColours, ""});
}

}  // namespace

std::vector<FieldLimit> SearchFields(const Limits& limits) {
  std::vector<FieldLimit> fields = {
      {"examples", limits.max_examples, ""},
      {"examples.strokes.strokes", limits.strokes.max_strokes, "examples"},
      {"examples.strokes.strokes.points", limits.strokes.max_points, "examples"}};
  AddFilter(limits, fields);
  fields.push_back({"color_preferences", kMostColours, ""});
  return fields;
}

std::vector<FieldLimit> ListFields(const Limits& limits) {
  std::vector<FieldLimit> fields;
  AddFilter(limits, fields);
  return fields;
}

std::vector<FieldLimit> DeleteFields(const Limits& limits) {
  return {{"photo_ids", limits.max_ids, ""}};
}

std::vector<FieldLimit> UpdateFields(const Limits& limits) {
  return {{"metadata", limits.max_metadata_pairs, ""}};
}

std::vector<FieldLimit> RecordFields(const Limits& limits) {
  return {{"strokes.strokes", limits.strokes.max_strokes, ""},
          {"strokes.strokes.points", limits.strokes.max_points, ""}};
}

std::vector<FieldLimit> FeedbackIdFields(const Limits& limits) {
  return {{"feedback_ids", limits.max_ids, ""}};
}

uint64_t MostPhotoBytes(const Limits& limits) {
  return limits.image.max_bytes + MostMetadataBytes(limits) + limits.max_photo_id_bytes +
         kFrameBytes;
}

uint64_t MostIdBytes(const Limits& limits) {
  return uint64_t{limits.max_ids} * (limits.max_photo_id_bytes + kFrameBytes);
}

uint64_t MostMetadataBytes(const Limits& limits) {
  return uint64_t{limits.max_metadata_pairs} *
         (limits.max_metadata_key_bytes + limits.max_metadata_value_bytes + kFrameBytes);
}

uint64_t MostFilterBytes(const Limits& limits) {
  // An attribute's name is as long as a key.
  return 2 * MostMetadataBytes(limits) + MostIdBytes(limits) + kMostColours * 3 * kFrameBytes;
}

}  // namespace s2p
