// Names the format of a file that is not a JPEG, PNG or WebP image, so that a message can say what
// somebody took for a picture.
#ifndef S2P_MODEL_FOREIGN_FORMAT_H_
#define S2P_MODEL_FOREIGN_FORMAT_H_

#include "absl/strings/string_view.h"

namespace s2p {

// A noun phrase that ends a message, as "GIF" or "HEIC, a HEIF format"; "unknown format" if the
// first bytes tell nothing. Looks at 4 KiB at most. The view is of static memory. Thread-safe.
absl::string_view ForeignFormat(absl::string_view bytes);

}  // namespace s2p

#endif  // S2P_MODEL_FOREIGN_FORMAT_H_
