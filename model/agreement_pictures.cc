// The pictures of MeasureAgreement, drawn in integer arithmetic only, so that every machine draws
// the same pixels.
#include <array>
#include <cstdint>

#include "model/encoder_agreement.h"

namespace s2p {
namespace {

constexpr int kSide = 128;
constexpr int kShapes = 4;
// Half the width of an outline, in pixels.
constexpr int kPen = 1;

// 32 bits that look random, and always the same for the same arguments.
uint32_t Mix(int number, int what, int index) {
  uint32_t h = static_cast<uint32_t>(number) * 0x9E3779B1u ^
               static_cast<uint32_t>(what) * 0x85EBCA77u ^
               static_cast<uint32_t>(index) * 0xC2B2AE3Du;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  h = (h ^ (h >> 12)) * 0x297A2D39u;
  return h ^ (h >> 15);
}

// An ellipse, a box or a triangle.
struct Shape {
  int kind = 0;
  int x = 0, y = 0;
  // Half of its width and height.
  int a = 1, b = 1;
  std::array<int, Image::kChannels> colour = {};

  bool Contains(int px, int py) const {
    const int dx = px - x, dy = py - y;
    if (dx < -a || dx > a || dy < -b || dy > b) return false;
    if (kind == 0) return dx * dx * b * b + dy * dy * a * a <= a * a * b * b;
    // The triangle's tip is at the top.
    return kind == 1 || (dx < 0 ? -dx : dx) * 2 * b <= a * (dy + b);
  }
  // Whether the outline passes here.
  bool IsEdge(int px, int py) const {
    const bool inside = Contains(px, py);
    return Contains(px - kPen, py) != inside || Contains(px + kPen, py) != inside ||
           Contains(px, py - kPen) != inside || Contains(px, py + kPen) != inside;
  }
};

std::array<Shape, kShapes> ShapesOf(int number) {
  std::array<Shape, kShapes> shapes;
  for (int s = 0; s < kShapes; ++s) {
    const auto draw = [number, s](int what, int low, int high) {
      return low + static_cast<int>(Mix(number, what, s) % static_cast<uint32_t>(high - low + 1));
    };
    Shape& shape = shapes[s];
    shape.kind = draw(1, 0, 2);
    shape.a = draw(2, 8, 40);
    shape.b = draw(3, 8, 40);
    shape.x = draw(4, 24, kSide - 24);
    shape.y = draw(5, 24, kSide - 24);
    for (int c = 0; c < Image::kChannels; ++c) shape.colour[c] = draw(6 + c, 20, 200);
  }
  return shapes;
}

void DrawPhotoPixel(const std::array<Shape, kShapes>& shapes, int number, int x, int y,
                    uint8_t* pixel) {
  for (int c = 0; c < Image::kChannels; ++c) pixel[c] = static_cast<uint8_t>(225 - y / 8 + 2 * c);
  for (const Shape& shape : shapes) {
    if (!shape.Contains(x, y)) continue;
    const int texture = static_cast<int>(Mix(number, 100 + x / 2, y / 2) % 32);
    for (int c = 0; c < Image::kChannels; ++c) {
      // Lighter towards the upper left.
      const int light = (shape.x - x + shape.y - y) / 4;
      const int value = shape.colour[c] + light + texture;
      pixel[c] = static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

void DrawSketchPixel(const std::array<Shape, kShapes>& shapes, int x, int y, uint8_t* pixel) {
  bool ink = false;
  for (const Shape& shape : shapes) {
    // A shape hides what lies behind it.
    if (shape.Contains(x, y)) ink = false;
    ink = ink || shape.IsEdge(x, y);
  }
  for (int c = 0; c < Image::kChannels; ++c) pixel[c] = ink ? 0 : 255;
}

}  // namespace

Image AgreementPicture(v1::Modality modality, int number) {
  Image image(kSide, kSide);
  const std::array<Shape, kShapes> shapes = ShapesOf(number);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      uint8_t* const pixel = image.row(y) + x * Image::kChannels;
      if (modality == v1::MODALITY_SKETCH) {
        DrawSketchPixel(shapes, x, y, pixel);
      } else {
        DrawPhotoPixel(shapes, number, x, y, pixel);
      }
    }
  }
  return image;
}

}  // namespace s2p
