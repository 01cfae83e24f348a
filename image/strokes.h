// Draws pen strokes as an image that looks like the sketches that models are trained on.
#ifndef S2P_IMAGE_STROKES_H_
#define S2P_IMAGE_STROKES_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "image/image.h"

namespace s2p {

struct StrokePoint {
  // In canvas units; may lie outside the canvas.
  float x = 0;
  float y = 0;
  // In [0, 1]; scales the width. 0 counts as 1.
  float pressure = 0;
};

struct Stroke {
  std::vector<StrokePoint> points;
  // In canvas units; 0 means 1/85 of the longer side (3 pixels of 256).
  float width = 0;
};

struct Strokes {
  // Size of the canvas, each side in [1, 10000].
  int width = 0;
  int height = 0;
  std::vector<Stroke> strokes;
};

struct StrokeLimits {
  size_t max_strokes = 2000;
  size_t max_points = 100'000;
  // The total number of pixels that the lines may touch, counting repeats: a hundred times what a
  // dense drawing needs, and about a second.
  double max_touched_pixels = 1e8;
};

// Draws black round-capped anti-aliased lines on white; the result is at most 512 pixels on its
// longer side, with the canvas's aspect ratio. InvalidArgument naming the field ("width",
// "strokes[3].points[7].x") for a canvas or numbers out of range, NaN, too many strokes, too much
// ink, or no point at all.
absl::StatusOr<Image> RasterizeStrokes(const Strokes& strokes, const StrokeLimits& limits = {});

}  // namespace s2p

#endif  // S2P_IMAGE_STROKES_H_
