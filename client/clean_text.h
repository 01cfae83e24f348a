// Checks text for the API: ids, metadata and names.
#ifndef S2P_CLIENT_CLEAN_TEXT_H_
#define S2P_CLIENT_CLEAN_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// Length of the longest photo id.
inline constexpr size_t kMaxPhotoIdBytes = 256;

// Refuses text that every server of ours would refuse: text that is not UTF-8, or has a control
// character. InvalidArgument starts with `what`, the name that users know the text by ("--filter"),
// and shows the text escaped.
absl::Status CheckText(absl::string_view text, absl::string_view what);

// The same for the id of a photo, which must also have 1 to kMaxPhotoIdBytes bytes.
absl::Status CheckPhotoId(absl::string_view id, absl::string_view what);

}  // namespace s2p

#endif  // S2P_CLIENT_CLEAN_TEXT_H_
