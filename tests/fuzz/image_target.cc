#include "base/check.h"
#include "image/image.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {

void Image(absl::string_view bytes) {
  // Larger pictures only take longer.
  ImageLimits limits;
  limits.max_pixels = 1 << 20;
  const auto header = ReadImageHeader(bytes, limits);
  const auto image = DecodeImage(bytes, limits);
  if (!image.ok()) return;
  S2P_CHECK(header.ok());
  S2P_CHECK(image->width() == header->width && image->height() == header->height);
}

}  // namespace s2p::fuzz
