// The curves that a procedural shoe is drawn along.
#ifndef S2P_TRAINER_SHOES_SHOE_OUTLINE_H_
#define S2P_TRAINER_SHOES_SHOE_OUTLINE_H_

#include <vector>

#include "trainer/shoes/shoe_shape.h"

namespace s2p {

inline constexpr double kPi = 3.14159265358979323846;

// In the units of ShoeShape.
struct ShoePoint {
  double x = 0;
  double y = 0;
};
using ShoeCurve = std::vector<ShoePoint>;

inline ShoePoint Between(ShoePoint a, ShoePoint b, double t) {
  return {a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t};
}
double Distance(ShoePoint a, ShoePoint b);

// A Catmull-Rom spline through the points. Requires at least two.
ShoeCurve Smooth(const ShoeCurve& through, int steps = 8);
// The closed outline of a band along the curve.
ShoeCurve Band(const ShoeCurve& curve, double first_width, double last_width);
ShoeCurve Ellipse(ShoePoint centre, double radius_x, double radius_y, double tilt = 0);
// The point at a fraction of the curve's length.
ShoePoint Along(const ShoeCurve& curve, double fraction);
// The piece between two fractions of the curve's length.
ShoeCurve Piece(const ShoeCurve& curve, double from, double to);
void Append(const ShoeCurve& more, ShoeCurve& curve);
ShoeCurve Reversed(ShoeCurve curve);

// Where the parts of a shoe lie. `lift` is how far the far edge of the shoe rises over the near
// one: how much the shoe is seen from above. Immutable.
class ShoeOutline {
 public:
  ShoeOutline(const ShoeShape& shape, double lift);

  const ShoeShape& shape() const { return shape_; }
  double lift() const { return lift_; }
  double tip() const { return -shape_.toe_point; }
  double end() const { return shape_.mule > 0 ? shape_.mule : 0.985; }

  // Where the foot stands, the underside of the sole, and the top of a closed shoe's front.
  double Base(double x) const;
  double Underside(double x) const;
  double Top(double x) const;
  // Base over a range.
  ShoeCurve BaseCurve(double from, double to) const;

  // From the toe's ground over the instep to the throat, or up the front of the shaft.
  const ShoeCurve& front() const { return front_; }
  // The near edge of the opening, from its front to its back, and the far one.
  const ShoeCurve& topline() const { return topline_; }
  const ShoeCurve& far_topline() const { return far_topline_; }
  // From the back of the opening to the heel seat; empty without a back.
  const ShoeCurve& back() const { return back_; }
  // All of them and the base: the upper, closed.
  ShoeCurve Upper() const;

 private:
  void TraceFront();
  void TraceLowShoe();
  void TraceBoot();

  const ShoeShape shape_;
  const double lift_;
  ShoeCurve front_;
  ShoeCurve topline_;
  ShoeCurve far_topline_;
  ShoeCurve back_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SHOE_OUTLINE_H_
