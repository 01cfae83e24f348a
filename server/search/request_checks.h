// Checks that several requests share, made before any work. All return InvalidArgument naming the
// field.
#ifndef S2P_SERVER_SEARCH_REQUEST_CHECKS_H_
#define S2P_SERVER_SEARCH_REQUEST_CHECKS_H_

#include <google/protobuf/map.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "image/colour.h"
#include "s2p/v1/search.pb.h"
#include "server/gallery/gallery_view.h"
#include "server/search/limits.h"

namespace s2p {

// InvalidArgument with the message "field: what".
absl::Status BadField(absl::string_view field, absl::string_view what);

// OK for 1 to max_photo_id_bytes bytes of UTF-8 without control characters.
absl::Status CheckPhotoId(const std::string& photo_id, absl::string_view field,
                          const Limits& limits);
// OK for 1 to 128 letters, digits, '.', '_' and '-', of which the first is a letter or digit:
// anyone may choose an id, and an operator's shell must take it neither for a flag nor for a
// folder.
inline constexpr size_t kMostFeedbackIdBytes = 128;
absl::Status CheckFeedbackId(const std::string& feedback_id, absl::string_view field);
absl::Status CheckMetadata(const google::protobuf::Map<std::string, std::string>& metadata,
                           absl::string_view field, const Limits& limits);
inline constexpr int kMostColours = 4;
// A colour of either form; unset is refused.
absl::StatusOr<Lab> ParseColour(const v1::Color& colour, absl::string_view field);
absl::StatusOr<GalleryFilter> ParseFilter(const v1::Filter& filter, const Limits& limits);
// Returns `fallback` if the modality is unspecified.
absl::StatusOr<v1::Modality> ParseModality(v1::Modality modality, absl::string_view field,
                                           v1::Modality fallback);

}  // namespace s2p

#endif  // S2P_SERVER_SEARCH_REQUEST_CHECKS_H_
