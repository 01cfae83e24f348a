// Drawings for tests of what people photograph: strokes on white, and changes of them.
#ifndef S2P_TESTS_IMAGE_DRAWING_SAMPLES_H_
#define S2P_TESTS_IMAGE_DRAWING_SAMPLES_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>

#include "image/image.h"
#include "image/preprocessor.h"
#include "image/strokes.h"

namespace s2p::test {

inline constexpr int kDrawingPixels = 256;

// An ellipse and a line across it, drawn with a pen of three pixels between 60 and 200.
inline Image Drawing(int side = kDrawingPixels) {
  Strokes strokes;
  strokes.width = strokes.height = kDrawingPixels;
  Stroke circle, line;
  circle.width = line.width = 3;
  for (int i = 0; i <= 64; ++i) {
    const float angle = static_cast<float>(i) * 6.2831853F / 64;
    circle.points.push_back({130 + 60 * std::cos(angle), 120 + 45 * std::sin(angle), 0});
  }
  line.points = {{70, 60, 0}, {190, 170, 0}};
  strokes.strokes = {circle, line};
  const Image drawing = *RasterizeStrokes(strokes);
  return side == kDrawingPixels ? drawing : Resize(drawing, side, side);
}

// Each value of `image` as `change` makes it, rounded and limited to [0, 255].
inline Image Changed(Image image, const std::function<double(int x, int y, double value)>& change) {
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width() * Image::kChannels; ++x) {
      const double value = change(x / Image::kChannels, y, image.row(y)[x]);
      image.row(y)[x] = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
    }
  }
  return image;
}

// Requires images of the same size.
inline double MeanDifference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels().size(); ++i) {
    sum += std::abs(static_cast<int>(a.pixels()[i]) - static_cast<int>(b.pixels()[i]));
  }
  return sum / static_cast<double>(a.pixels().size());
}

}  // namespace s2p::test

#endif  // S2P_TESTS_IMAGE_DRAWING_SAMPLES_H_
