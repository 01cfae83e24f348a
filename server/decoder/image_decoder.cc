#include "server/decoder/image_decoder.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

// The payload that tells the error from that of a damaged image.
constexpr char kTooSlow[] = "s2p/too-slow";

}  // namespace

absl::Status TooSlowError(absl::Duration most) {
  absl::Status status = absl::InvalidArgumentError(
      absl::StrCat("the image takes more than ", absl::FormatDuration(most), " to decode"));
  status.SetPayload(kTooSlow, absl::Cord());
  return status;
}

bool IsTooSlow(const absl::Status& status) { return status.GetPayload(kTooSlow).has_value(); }

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
