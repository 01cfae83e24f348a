// The golden probe's pictures, drawn in integer arithmetic only, so that every machine draws the
// same pixels.
#include <cstdint>
#include <cstdlib>

#include "model/encoder.h"

namespace s2p {
namespace {

constexpr int kPhotoWidth = 128;
constexpr int kPhotoHeight = 96;
constexpr int kSketchWidth = 120;
constexpr int kSketchHeight = 160;

// Eight bits that look random: the top of a 32-bit mix of the position.
uint8_t Noise(int x, int y, int channel) {
  uint32_t h = static_cast<uint32_t>(x) * 0x9E3779B1u ^ static_cast<uint32_t>(y) * 0x85EBCA77u ^
               static_cast<uint32_t>(channel) * 0xC2B2AE3Du;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  return static_cast<uint8_t>((h ^ (h >> 15)) >> 24);
}

bool InDisc(int x, int y, int centre_x, int centre_y, int radius) {
  const int dx = x - centre_x;
  const int dy = y - centre_y;
  return dx * dx + dy * dy <= radius * radius;
}

// Gradients, a disc, a box and a noisy patch: colours, edges and texture.
Image ProbePhoto() {
  Image image(kPhotoWidth, kPhotoHeight);
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      uint8_t* pixel = image.row(y) + x * Image::kChannels;
      pixel[0] = static_cast<uint8_t>(40 + x);
      pixel[1] = static_cast<uint8_t>(200 - y);
      pixel[2] = static_cast<uint8_t>(90 + (x + y) / 2);
      if (InDisc(x, y, 44, 40, 26)) {
        pixel[0] = 210;
        pixel[1] = static_cast<uint8_t>(60 + y);
        pixel[2] = 30;
      }
      if (x >= 76 && x < 116 && y >= 50 && y < 84) {
        for (int c = 0; c < Image::kChannels; ++c) {
          pixel[c] = static_cast<uint8_t>(Noise(x, y, c) / 2 + 20 * c);
        }
      }
      if (x >= 12 && x < 70 && y >= 76 && y < 82) pixel[0] = pixel[1] = pixel[2] = 15;
    }
  }
  return image;
}

// Black outlines, three pixels wide, on white: a circle, a box and two slanted lines.
Image ProbeSketch() {
  Image image(kSketchWidth, kSketchHeight);
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const bool circle = InDisc(x, y, 60, 48, 34) && !InDisc(x, y, 60, 48, 31);
      const bool in_box = x >= 24 && x < 98 && y >= 92 && y < 146;
      const bool in_hole = x >= 27 && x < 95 && y >= 95 && y < 143;
      const bool falling = std::abs(2 * x - y + 40) <= 3 && y >= 98 && y < 140;
      const bool rising = std::abs(x + y - 168) <= 2 && x >= 30 && x < 70;
      if (!circle && !(in_box && !in_hole) && !falling && !rising) continue;
      uint8_t* pixel = image.row(y) + x * Image::kChannels;
      pixel[0] = pixel[1] = pixel[2] = 0;
    }
  }
  return image;
}

}  // namespace

Image ProbeImage(v1::Modality modality) {
  return modality == v1::MODALITY_SKETCH ? ProbeSketch() : ProbePhoto();
}

}  // namespace s2p
