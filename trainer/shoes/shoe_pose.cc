#include "trainer/shoes/shoe_pose.h"

#include <algorithm>
#include <cmath>

namespace s2p {

ShoePose RandomPose(Random& random, double spread) {
  ShoePose pose;
  pose.lift = random.Uniform(0.025, 0.075);
  pose.rotation = spread * random.Uniform(-0.16, 0.16);
  pose.stretch = 1 + spread * random.Uniform(-0.12, 0.12);
  pose.shear = spread * random.Uniform(-0.12, 0.12);
  pose.perspective = spread * random.Uniform(-0.16, 0.16);
  pose.fill = 0.86 + spread * random.Uniform(-0.08, 0.06);
  pose.shift_x = spread * random.Uniform(-0.03, 0.03);
  pose.shift_y = spread * random.Uniform(-0.03, 0.03);
  return pose;
}

ShoePlacement::ShoePlacement(const ShoePose& pose, const ShoeDrawing& drawing, int side_pixels)
    : pose_(pose) {
  double left = 1e9, right = -1e9, top = -1e9, bottom = 1e9;
  for (const ShoePart& part : drawing.parts) {
    if (part.within >= 0) continue;
    for (const ShoePoint& point : part.outline) {
      const ShoePoint turned = Turn(point);
      left = std::min(left, turned.x);
      right = std::max(right, turned.x);
      bottom = std::min(bottom, turned.y);
      top = std::max(top, turned.y);
    }
  }
  scale_ = pose.fill * side_pixels / std::max(right - left, top - bottom);
  offset_ = {(0.5 + pose.shift_x) * side_pixels - scale_ * (left + right) / 2,
             (0.5 + pose.shift_y) * side_pixels + scale_ * (bottom + top) / 2};
}

ShoePoint ShoePlacement::Turn(ShoePoint point) const {
  double x = pose_.stretch * (point.x - 0.5) + pose_.shear * point.y;
  double y = point.y - 0.2;
  const double nearness = 1 / (1 + pose_.perspective * x);
  x *= nearness;
  y *= nearness;
  return {x * std::cos(pose_.rotation) - y * std::sin(pose_.rotation),
          x * std::sin(pose_.rotation) + y * std::cos(pose_.rotation)};
}

ShoePoint ShoePlacement::Place(ShoePoint point) const {
  const ShoePoint turned = Turn(point);
  return {offset_.x + scale_ * turned.x, offset_.y - scale_ * turned.y};
}

ShoeCurve ShoePlacement::Place(const ShoeCurve& curve) const {
  ShoeCurve placed;
  placed.reserve(curve.size());
  for (const ShoePoint& point : curve) placed.push_back(Place(point));
  return placed;
}

}  // namespace s2p
