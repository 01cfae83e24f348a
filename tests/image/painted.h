// Pictures painted from plain boxes.
#ifndef S2P_TESTS_IMAGE_PAINTED_H_
#define S2P_TESTS_IMAGE_PAINTED_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "image/image.h"

namespace s2p::test {

using Rgb = std::array<uint8_t, 3>;

// A box within the image, in pixels.
inline void PaintBox(Image& image, int left, int top, int width, int height, const Rgb& colour) {
  for (int y = top; y < top + height; ++y) {
    for (int x = left; x < left + width; ++x) {
      std::copy(colour.begin(), colour.end(), image.row(y) + x * Image::kChannels);
    }
  }
}

inline Image Painted(int width, int height, const Rgb& colour) {
  Image image(width, height);
  PaintBox(image, 0, 0, width, height, colour);
  return image;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_IMAGE_PAINTED_H_
