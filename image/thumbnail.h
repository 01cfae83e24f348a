// A small picture of a photo, for pages that show many.
#ifndef S2P_IMAGE_THUMBNAIL_H_
#define S2P_IMAGE_THUMBNAIL_H_

#include <string>

#include "absl/status/statusor.h"
#include "image/image.h"

namespace s2p {

// The longer side, in pixels.
inline constexpr int kThumbnailPixels = 256;

// A JPEG of at most kThumbnailPixels on the longer side; a smaller image keeps its size. It has
// pixels and nothing else of the original. Errors as EncodeJpeg. Thread-safe.
absl::StatusOr<std::string> MakeThumbnail(const Image& image);

}  // namespace s2p

#endif  // S2P_IMAGE_THUMBNAIL_H_
