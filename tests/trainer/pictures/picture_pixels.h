// Inspects single pixels of a picture.
#ifndef S2P_TESTS_TRAINER_PICTURES_PICTURE_PIXELS_H_
#define S2P_TESTS_TRAINER_PICTURES_PICTURE_PIXELS_H_

#include <ostream>

#include "image/image.h"
#include "trainer/pictures/canvas.h"

namespace s2p {

inline void PrintTo(const Color& color, std::ostream* out) {
  *out << "rgb(" << int{color.red} << ", " << int{color.green} << ", " << int{color.blue} << ")";
}

namespace test {

inline Color PixelAt(const Image& image, double x, double y) {
  const uint8_t* pixel = image.row(static_cast<int>(y)) + 3 * static_cast<int>(x);
  return {pixel[0], pixel[1], pixel[2]};
}

// The number of pixels of exactly this colour in the box.
inline int CountPixels(const Image& image, const CanvasBox& box, Color color) {
  int count = 0;
  for (int y = static_cast<int>(box.y); y < box.y + box.height; ++y) {
    for (int x = static_cast<int>(box.x); x < box.x + box.width; ++x) {
      count += PixelAt(image, x, y) == color ? 1 : 0;
    }
  }
  return count;
}

// The highest row of the box with a pixel of exactly this colour in this column; -1 if none has.
inline int RowOf(const Image& image, const CanvasBox& box, double x, Color color) {
  for (int y = static_cast<int>(box.y); y < box.y + box.height; ++y) {
    if (PixelAt(image, x, y) == color) return y;
  }
  return -1;
}

}  // namespace test
}  // namespace s2p

#endif  // S2P_TESTS_TRAINER_PICTURES_PICTURE_PIXELS_H_
