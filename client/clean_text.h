// The text that the API takes: ids, metadata and names.
#ifndef S2P_CLIENT_CLEAN_TEXT_H_
#define S2P_CLIENT_CLEAN_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Longest id of a photo.
inline constexpr size_t kMaxPhotoIdBytes = 256;

// Refuses, before it is sent, what every server of ours refuses: text that is not UTF-8, or has a
// control character. InvalidArgument begins with `what`, the words that a person knows it by
// ("--filter"), and shows the text escaped.
absl::Status CheckText(absl::string_view text, absl::string_view what);

// The same for the id of a photo, which has 1 to kMaxPhotoIdBytes bytes.
absl::Status CheckPhotoId(absl::string_view id, absl::string_view what);

}  // namespace s2p

#endif  // S2P_CLIENT_CLEAN_TEXT_H_
