// Composites a picture with alpha on white.
#ifndef S2P_IMAGE_ON_WHITE_H_
#define S2P_IMAGE_ON_WHITE_H_

#include <cstddef>
#include <cstdint>

namespace s2p {

// Composites `pixels` RGBA samples, not premultiplied, on white as RGB samples, rounded. `rgb` may
// be `rgba` or lie before it, even in the same memory.
inline void RgbaOnWhite(const uint8_t* rgba, size_t pixels, uint8_t* rgb) {
  for (size_t i = 0; i < pixels; ++i, rgba += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) {
      rgb[c] = static_cast<uint8_t>((rgba[c] * rgba[3] + 255u * (255u - rgba[3]) + 127u) / 255u);
    }
  }
}

}  // namespace s2p

#endif  // S2P_IMAGE_ON_WHITE_H_
