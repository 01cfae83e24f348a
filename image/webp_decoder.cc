#include <webp/decode.h>

#include <cstdint>

#include "absl/status/status.h"
#include "image/image_decoders.h"

namespace s2p {

absl::Status DecodeWebp(absl::string_view bytes, OrientedRows& rows) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const absl::Status damaged = absl::InvalidArgumentError("the WebP image is damaged");
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK ||
      features.width != rows.width() || features.height != rows.height()) {
    return damaged;
  }
  const int channels = features.has_alpha ? 4 : 3;
  uint8_t* out = rows.Whole(channels);
  const int row_bytes = rows.width() * channels;
  const size_t out_bytes = static_cast<size_t>(row_bytes) * rows.height();
  const auto decode = features.has_alpha ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(data, bytes.size(), out, out_bytes, row_bytes) == nullptr) return damaged;
  rows.FinishWhole(channels);
  return absl::OkStatus();
}

}  // namespace s2p
