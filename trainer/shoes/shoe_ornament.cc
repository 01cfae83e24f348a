// What is fastened to a shoe: buckles, and ornaments on the instep.
#include <cmath>

#include "trainer/shoes/shoe_drawing.h"
#include "trainer/shoes/shoe_outline.h"

namespace s2p {
namespace {

constexpr double kPi = 3.14159265358979323846;

}  // namespace

void DrawBuckle(ShoePoint centre, double size, double tilt, ShoeDrawing& drawing) {
  const auto frame = [&](double scale) {
    ShoeCurve square;
    for (const auto& [x, y] : {std::pair{-1.0, -1.0}, {1.0, -1.0}, {1.0, 1.0}, {-1.0, 1.0}}) {
      const double dx = x * size * scale;
      const double dy = y * size * scale * 0.85;
      square.push_back({centre.x + dx * std::cos(tilt) - dy * std::sin(tilt),
                        centre.y + dx * std::sin(tilt) + dy * std::cos(tilt)});
    }
    return square;
  };
  drawing.Add(ShoeMaterial::kMetal, frame(1), 0.9);
  drawing.Add(ShoeMaterial::kTrim, frame(0.55), 0.5);
}

void DrawOrnament(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (s.ornament == Ornament::kNone) return;
  const double size = s.ornament_size;
  const ShoePoint at{s.ornament_at, outline.Top(s.ornament_at) - 0.3 * size};
  switch (s.ornament) {
    case Ornament::kBow:
      for (const double side : {-1.0, 1.0}) {
        drawing.Add(ShoeMaterial::kTrim, Smooth({at,
                                                 {at.x + side * 0.8 * size, at.y + 0.75 * size},
                                                 {at.x + side * 1.35 * size, at.y + 0.2 * size},
                                                 {at.x + side * 0.9 * size, at.y - 0.45 * size},
                                                 at}));
      }
      drawing.Add(ShoeMaterial::kTrim, Ellipse(at, 0.28 * size, 0.34 * size), 0.9);
      return;
    case Ornament::kBit:
      drawing.Add(
          ShoeMaterial::kMetal,
          Band(Smooth({{at.x - size, at.y - 0.6 * size}, at, {at.x + size, at.y + 0.3 * size}}),
               0.25 * size, 0.25 * size));
      drawing.Add(ShoeMaterial::kMetal,
                  Ellipse({at.x - size, at.y - 0.5 * size}, 0.4 * size, 0.4 * size));
      return;
    case Ornament::kTassel:
      for (const double side : {-0.5, 0.5}) {
        drawing.Add(ShoeMaterial::kTrim, {{at.x, at.y},
                                          {at.x + 0.25 * size, at.y},
                                          {at.x + (side + 0.4) * size, at.y - 1.3 * size},
                                          {at.x + (side - 0.2) * size, at.y - 1.25 * size}});
      }
      return;
    case Ornament::kPompom: {
      ShoeCurve ball;
      for (int i = 0; i < 36; ++i) {
        const double radius = size * (i % 2 == 0 ? 1.0 : 0.8);
        ball.push_back({at.x + radius * std::cos(kPi * i / 18),
                        at.y + 0.4 * size + radius * std::sin(kPi * i / 18)});
      }
      drawing.Add(ShoeMaterial::kFur, ball);
      return;
    }
    case Ornament::kNone:
      return;
  }
}

}  // namespace s2p
