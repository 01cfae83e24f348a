#include "image/thumbnail.h"

#include <algorithm>

#include "image/preprocessor.h"

namespace s2p {

absl::StatusOr<std::string> MakeThumbnail(const Image& image) {
  const int longer = std::max(image.width(), image.height());
  if (longer <= kThumbnailPixels) return EncodeJpeg(image);
  const auto scaled = [longer](int side) {
    return std::max(1, (side * kThumbnailPixels + longer / 2) / longer);
  };
  return EncodeJpeg(Resize(image, scaled(image.width()), scaled(image.height())));
}

}  // namespace s2p
