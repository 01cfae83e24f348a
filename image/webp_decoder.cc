#include <webp/decode.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "image/image_decoders.h"
#include "image/on_white.h"

namespace s2p {

absl::StatusOr<Image> DecodeWebp(absl::string_view bytes, int width, int height) {
  const absl::Status damaged = absl::InvalidArgumentError("the WebP image is damaged");
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK || features.width != width ||
      features.height != height) {
    return damaged;
  }
  Image image(width, height);
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  if (!features.has_alpha) {
    const bool whole = WebPDecodeRGBInto(data, bytes.size(), image.row(0), pixels * 3, width * 3);
    return whole ? absl::StatusOr<Image>(std::move(image)) : damaged;
  }
  std::vector<uint8_t> rgba(pixels * 4);
  if (!WebPDecodeRGBAInto(data, bytes.size(), rgba.data(), rgba.size(), width * 4)) return damaged;
  RgbaOnWhite(rgba.data(), pixels, image.row(0));
  return image;
}

}  // namespace s2p
