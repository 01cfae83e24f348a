// The decoders for the three formats, one per library. Call them through DecodeImage in image.h,
// which reads the header, applies the limits and orients the result.
//
// OpenCV's imdecode wraps the same libraries, but hides their warnings, so a picture that was cut
// off and closed again looks complete; it also drops the transparent colour of grey PNGs.
#ifndef S2P_IMAGE_IMAGE_DECODERS_H_
#define S2P_IMAGE_IMAGE_DECODERS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "image/image.h"

namespace s2p {

// The pixels as stored, before orientation: `width` x `height` as ReadImageHeader found them, alpha
// composited on white. InvalidArgument, with the reason, for a picture that is damaged, ends early
// or contradicts that size; ResourceExhausted if there is not enough memory to decode it. Warnings
// about lost pixels are errors; warnings that every viewer ignores (stray bytes between segments,
// damaged metadata) are not. Thread-safe.
absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes, int width, int height);
absl::StatusOr<Image> DecodePng(absl::string_view bytes, int width, int height);
absl::StatusOr<Image> DecodeWebp(absl::string_view bytes, int width, int height);

}  // namespace s2p

#endif  // S2P_IMAGE_IMAGE_DECODERS_H_
