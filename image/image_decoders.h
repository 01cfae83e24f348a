// The decoders for the three formats, one per library. Call them through DecodeImage in image.h,
// which reads the header and applies the limits.
//
// OpenCV's imdecode wraps the same libraries, but hides their warnings, so a picture that was cut
// off and closed again looks complete; it also drops the transparent colour of grey PNGs.
#ifndef S2P_IMAGE_IMAGE_DECODERS_H_
#define S2P_IMAGE_IMAGE_DECODERS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "image/oriented_rows.h"

namespace s2p {

// Encoders write about ten scans. A hostile file can repeat a scan of 61 bytes thousands of times,
// and each one takes a pass over all pixels.
inline constexpr int kMaxJpegScans = 100;

// Give each stored row, alpha composited on white, to `rows`, which has the size that
// ReadImageHeader found. InvalidArgument, with the reason, for a picture that is damaged, ends
// early or contradicts that size; ResourceExhausted if there is not enough memory to decode it.
// Warnings about lost pixels are errors; warnings that every viewer ignores (stray bytes between
// segments, damaged metadata) are not. Thread-safe.
absl::Status DecodeJpeg(absl::string_view bytes, OrientedRows& rows);
absl::Status DecodePng(absl::string_view bytes, OrientedRows& rows);
absl::Status DecodeWebp(absl::string_view bytes, OrientedRows& rows);

}  // namespace s2p

#endif  // S2P_IMAGE_IMAGE_DECODERS_H_
