// Names the format of a file that is not a JPEG, PNG or WebP image, so that an error message can
// say what the file is instead.
#ifndef S2P_IMAGE_FOREIGN_FORMAT_H_
#define S2P_IMAGE_FOREIGN_FORMAT_H_

#include "absl/strings/string_view.h"

namespace s2p {

// Returns a noun phrase for the end of a message, such as "GIF" or "HEIC, a HEIF format"; "unknown
// format" if the first bytes are not recognised. Looks at 4 KiB at most. The view points to static
// memory. Thread-safe.
absl::string_view ForeignFormat(absl::string_view bytes);

}  // namespace s2p

#endif  // S2P_IMAGE_FOREIGN_FORMAT_H_
