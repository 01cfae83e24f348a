// The ending of a picture's file name.
#ifndef S2P_BASE_PICTURE_ENDING_H_
#define S2P_BASE_PICTURE_ENDING_H_

#include "absl/strings/string_view.h"

namespace s2p {

// For the types of content that image/image.h names: ".png" for "image/png", ".webp" for
// "image/webp", otherwise ".jpg".
inline absl::string_view PictureEnding(absl::string_view content_type) {
  if (content_type == "image/png") return ".png";
  return content_type == "image/webp" ? ".webp" : ".jpg";
}

}  // namespace s2p

#endif  // S2P_BASE_PICTURE_ENDING_H_
