// A drawing in the form in which feedback keeps it.
#ifndef S2P_SERVER_FEEDBACK_KEPT_SKETCH_H_
#define S2P_SERVER_FEEDBACK_KEPT_SKETCH_H_

#include <string>

#include "absl/status/statusor.h"
#include "image/image.h"

namespace s2p {

// Pixels alone, without anything else that a file may tell, at most kMostSketchPixels on the longer
// side. A plain value.
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

// InvalidArgument if the drawing is blank (HasInk). Requires a non-empty image.
absl::StatusOr<KeptSketch> KeepSketch(const Image& drawing);

}  // namespace s2p

#endif  // S2P_SERVER_FEEDBACK_KEPT_SKETCH_H_
