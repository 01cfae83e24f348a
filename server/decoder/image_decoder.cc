#include "server/decoder/image_decoder.h"

#include "base/status_macros.h"

namespace s2p {

absl::StatusOr<Image> InProcessDecoder::Decode(absl::string_view bytes, const ImageLimits& limits,
                                               const CallLife& life) {
  S2P_RETURN_IF_ERROR(life.Check("the image was decoded"));
  return DecodeImage(bytes, limits);
}

int64_t MostDecodeBytes(const ImageLimits& limits) {
  // A lossless WebP with alpha that is turned; its rows and tables.
  constexpr int64_t kBytesPerPixel = 12;
  constexpr int64_t kBesides = int64_t{20} << 20;
  return kBytesPerPixel * limits.max_pixels + static_cast<int64_t>(limits.max_bytes) + kBesides;
}

}  // namespace s2p
