#include "server/search/request_checks.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/utf8.h"

namespace s2p {
namespace {

constexpr size_t kMaxAttributeNameBytes = 256;

bool IsCleanText(absl::string_view text) { return IsUtf8(text) && !HasControlCharacter(text); }

absl::Status CheckPair(const std::string& key, const std::string& value, absl::string_view field,
                       const Limits& limits) {
  if (key.empty() || key.size() > limits.max_metadata_key_bytes) {
    return BadField(field, absl::StrCat("a key has ", key.size(), " bytes; 1 to ",
                                        limits.max_metadata_key_bytes, " are allowed"));
  }
  if (value.size() > limits.max_metadata_value_bytes) {
    return BadField(field, absl::StrCat("a value has ", value.size(), " bytes; at most ",
                                        limits.max_metadata_value_bytes, " are allowed"));
  }
  if (!IsCleanText(key) || !IsCleanText(value)) {
    return BadField(field, "a key or value is not UTF-8 text without control characters");
  }
  return absl::OkStatus();
}

absl::StatusOr<AttributeBounds> ParseRange(const v1::AttributeRange& range, int index) {
  const std::string field = absl::StrCat("filter.attributes[", index, "]");
  AttributeBounds bounds;
  bounds.name = range.name();
  if (range.has_min()) bounds.min = range.min();
  if (range.has_max()) bounds.max = range.max();
  // It comes back in an error's message, which has to fit into the headers of the answer.
  if (bounds.name.empty() || bounds.name.size() > kMaxAttributeNameBytes) {
    return BadField(field + ".name", absl::StrCat("has ", bounds.name.size(), " bytes; 1 to ",
                                                  kMaxAttributeNameBytes, " are allowed"));
  }
  // Written like this so that NaN fails.
  if (!(bounds.min >= 0 && bounds.min <= 1)) return BadField(field + ".min", "must be 0 to 1");
  if (!(bounds.max >= 0 && bounds.max <= 1)) return BadField(field + ".max", "must be 0 to 1");
  if (bounds.min > bounds.max) return BadField(field, "min is above max");
  return bounds;
}

// Largest |a| and |b| of CIELAB in 8 bits, which all colours of sRGB are within.
constexpr float kMostChromaticity = 128;

bool IsWithin(float value, float least, float most) {
  // Written like this so that NaN fails.
  return value >= least && value <= most;
}

absl::StatusOr<Lab> ParseLab(const v1::LabColor& lab, absl::string_view field) {
  if (!IsWithin(lab.l(), 0, 100)) return BadField(absl::StrCat(field, ".l"), "must be 0 to 100");
  if (!IsWithin(lab.a(), -kMostChromaticity, kMostChromaticity)) {
    return BadField(absl::StrCat(field, ".a"), "must be -128 to 128");
  }
  if (!IsWithin(lab.b(), -kMostChromaticity, kMostChromaticity)) {
    return BadField(absl::StrCat(field, ".b"), "must be -128 to 128");
  }
  return Lab{lab.l(), lab.a(), lab.b()};
}

absl::StatusOr<ColourBounds> ParseColourRange(const v1::ColorRange& range, int index) {
  const std::string field = absl::StrCat("filter.colors[", index, "]");
  ColourBounds bounds;
  S2P_ASSIGN_OR_RETURN(bounds.colour, ParseColour(range.color(), field + ".color"));
  if (range.has_max_difference()) bounds.max_difference = range.max_difference();
  if (range.has_min_share()) bounds.min_share = range.min_share();
  if (!IsWithin(bounds.max_difference, 0, 100)) {
    return BadField(field + ".max_difference", "must be 0 to 100");
  }
  if (!(bounds.min_share > 0 && bounds.min_share <= 1)) {
    return BadField(field + ".min_share", "must be above 0 and at most 1");
  }
  return bounds;
}

}  // namespace

absl::Status BadField(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

absl::Status CheckPhotoId(const std::string& photo_id, absl::string_view field,
                          const Limits& limits) {
  if (photo_id.empty() || photo_id.size() > limits.max_photo_id_bytes) {
    return BadField(field, absl::StrCat("has ", photo_id.size(), " bytes; 1 to ",
                                        limits.max_photo_id_bytes, " are allowed"));
  }
  if (!IsCleanText(photo_id)) {
    return BadField(field, "is not UTF-8 text without control characters");
  }
  return absl::OkStatus();
}

absl::Status CheckFeedbackId(const std::string& feedback_id, absl::string_view field) {
  const bool fits = !feedback_id.empty() && feedback_id.size() <= kMostFeedbackIdBytes;
  const bool clean = std::all_of(feedback_id.begin(), feedback_id.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
  if (fits && clean && absl::ascii_isalnum(static_cast<unsigned char>(feedback_id[0]))) {
    return absl::OkStatus();
  }
  return BadField(field, absl::StrCat("must be 1 to ", kMostFeedbackIdBytes,
                                      " letters, digits, '.', '_' and '-', and begin with a letter "
                                      "or digit"));
}

absl::Status CheckMetadata(const google::protobuf::Map<std::string, std::string>& metadata,
                           absl::string_view field, const Limits& limits) {
  if (metadata.size() > limits.max_metadata_pairs) {
    return BadField(field, absl::StrCat(metadata.size(), " pairs; at most ",
                                        limits.max_metadata_pairs, " are allowed"));
  }
  for (const auto& [key, value] : metadata) {
    S2P_RETURN_IF_ERROR(CheckPair(key, value, field, limits));
  }
  return absl::OkStatus();
}

absl::StatusOr<Lab> ParseColour(const v1::Color& colour, absl::string_view field) {
  switch (colour.value_case()) {
    case v1::Color::kRgb: {
      const absl::StatusOr<Lab> parsed = s2p::ParseColour(colour.rgb());
      if (!parsed.ok()) return BadField(absl::StrCat(field, ".rgb"), parsed.status().message());
      return parsed;
    }
    case v1::Color::kLab:
      return ParseLab(colour.lab(), absl::StrCat(field, ".lab"));
    default:
      return BadField(field, "needs rgb or lab");
  }
}

absl::StatusOr<GalleryFilter> ParseFilter(const v1::Filter& filter, const Limits& limits) {
  S2P_RETURN_IF_ERROR(CheckMetadata(filter.metadata(), "filter.metadata", limits));
  GalleryFilter parsed;
  parsed.metadata.insert(filter.metadata().begin(), filter.metadata().end());
  if (filter.attributes_size() > static_cast<int>(limits.max_metadata_pairs)) {
    return BadField("filter.attributes",
                    absl::StrCat("at most ", limits.max_metadata_pairs, " are allowed"));
  }
  for (int i = 0; i < filter.attributes_size(); ++i) {
    S2P_ASSIGN_OR_RETURN(auto bounds, ParseRange(filter.attributes(i), i));
    parsed.attributes.push_back(std::move(bounds));
  }
  S2P_ASSIGN_OR_RETURN(parsed.modality, ParseModality(filter.modality(), "filter.modality",
                                                      v1::MODALITY_UNSPECIFIED));
  if (filter.exclude_photo_ids_size() > static_cast<int>(limits.max_ids)) {
    return BadField("filter.exclude_photo_ids",
                    absl::StrCat("at most ", limits.max_ids, " are allowed"));
  }
  parsed.exclude_photo_ids.insert(filter.exclude_photo_ids().begin(),
                                  filter.exclude_photo_ids().end());
  if (filter.colors_size() > kMostColours) {
    return BadField("filter.colors", absl::StrCat("at most ", kMostColours, " are allowed"));
  }
  for (int i = 0; i < filter.colors_size(); ++i) {
    S2P_ASSIGN_OR_RETURN(const auto bounds, ParseColourRange(filter.colors(i), i));
    parsed.colours.push_back(bounds);
  }
  return parsed;
}

absl::StatusOr<v1::Modality> ParseModality(v1::Modality modality, absl::string_view field,
                                           v1::Modality fallback) {
  switch (modality) {
    case v1::MODALITY_UNSPECIFIED:
      return fallback;
    case v1::MODALITY_SKETCH:
    case v1::MODALITY_PHOTO:
      return modality;
    default:
      return BadField(field, "is neither MODALITY_SKETCH nor MODALITY_PHOTO");
  }
}

}  // namespace s2p
