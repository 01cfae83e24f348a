// A small picture of a photo, for pages that show many.
#ifndef S2P_IMAGE_THUMBNAIL_H_
#define S2P_IMAGE_THUMBNAIL_H_

#include <string>

#include "absl/status/statusor.h"
#include "image/image.h"

namespace s2p {

// The number of the way in which MakeThumbnail makes them. A change of what it returns raises it:
// thumbnails that are stored under another number are not shown.
inline constexpr int kThumbnailMethod = 1;
// The longer side, in pixels.
inline constexpr int kThumbnailPixels = 256;

// A JPEG of at most kThumbnailPixels on the longer side; a smaller image keeps its size. It has
// pixels and nothing else of the original. Errors as EncodeJpeg. Thread-safe.
absl::StatusOr<std::string> MakeThumbnail(const Image& image);

}  // namespace s2p

#endif  // S2P_IMAGE_THUMBNAIL_H_
