// A drawing in the form in which feedback keeps it.
#ifndef S2P_SERVER_FEEDBACK_KEPT_SKETCH_H_
#define S2P_SERVER_FEEDBACK_KEPT_SKETCH_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "image/image.h"

namespace s2p {

// Pixels alone, without anything else that a file may tell, at most kMostSketchPixels on the longer
// side and kMostSketchBytes. A plain value.
struct KeptSketch {
  int width = 0;
  int height = 0;
  // PNG.
  std::string png;
  // SHA-256 of size and pixels, in lower-case hex: drawings that look the same have the same, in
  // whatever format they came.
  std::string sha256;
};

inline constexpr int kMostSketchPixels = 1024;
// Drawings of people (QMUL-Shoes V1, fine-grained SBIR) take up to 113,000 bytes at 512 pixels.
// Simulated photographs of one on rough paper, by a camera with much noise, take 1.5 MB at 1,024
// pixels and 370,000 bytes at 512; noise without a drawing 3.1 MB and 760,000.
inline constexpr size_t kMostSketchBytes = size_t{512} << 10;

// Reduces a drawing that takes more bytes further, to at least 512 pixels on the longer side.
// InvalidArgument if the drawing is blank (HasInk); OutOfRange, with a remedy, if it takes more
// bytes nevertheless. Requires a non-empty image.
absl::StatusOr<KeptSketch> KeepSketch(const Image& drawing);

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_KEPT_SKETCH_H_
