// The decoders of the three formats, one per library. DecodeImage in image.h is the way in: it
// reads the header, applies the limits and turns what these return.
//
// Why not OpenCV's imdecode, which wraps the same libraries: it hides their warnings, so a picture
// that was cut and closed again looks whole; and it drops the transparent colour of grey PNGs.
#ifndef S2P_MODEL_IMAGE_DECODERS_H_
#define S2P_MODEL_IMAGE_DECODERS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/image.h"

namespace s2p {

// The pixels as stored, before orientation: `width` x `height` as ReadImageHeader found them, alpha
// composited on white. InvalidArgument, saying what is wrong, for a picture that is damaged, ends
// early or contradicts that size; ResourceExhausted if there is no memory to decode it. Warnings
// that tell of lost pixels are errors; those that every viewer passes over (stray bytes between
// segments, damaged metadata) are not. Thread-safe.
absl::StatusOr<Image> DecodeJpeg(absl::string_view bytes, int width, int height);
absl::StatusOr<Image> DecodePng(absl::string_view bytes, int width, int height);
absl::StatusOr<Image> DecodeWebp(absl::string_view bytes, int width, int height);

}  // namespace s2p

#endif  // S2P_MODEL_IMAGE_DECODERS_H_
