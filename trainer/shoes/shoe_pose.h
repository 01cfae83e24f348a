// The pose of a procedural shoe in its picture.
#ifndef S2P_TRAINER_SHOES_SHOE_POSE_H_
#define S2P_TRAINER_SHOES_SHOE_POSE_H_

#include "trainer/data/random.h"
#include "trainer/shoes/shoe_drawing.h"

namespace s2p {

struct ShoePose {
  double lift = 0.05;      // ShoeOutline: seen from above
  double rotation = 0;     // radians
  double stretch = 1;      // of the length
  double shear = 0;        // of the top towards the heel, per unit of height
  double perspective = 0;  // how much smaller the heel is than the toe
  double fill = 0.85;      // longer side of the shoe as a fraction of the picture
  double shift_x = 0;      // of the middle, as a fraction of the picture
  double shift_y = 0;
};

// Every number within ± `spread` of its usual range.
ShoePose RandomPose(Random& random, double spread);

// From the units of ShoeShape to the pixels of a square picture: rows run downwards there.
// Immutable.
class ShoePlacement {
 public:
  // Fits all parts of the drawing into the picture as the pose says.
  ShoePlacement(const ShoePose& pose, const ShoeDrawing& drawing, int side_pixels);

  ShoePoint Place(ShoePoint point) const;
  ShoeCurve Place(const ShoeCurve& curve) const;
  double pixels_per_unit() const { return scale_; }

 private:
  ShoePoint Turn(ShoePoint point) const;

  ShoePose pose_;
  double scale_ = 1;
  ShoePoint offset_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SHOE_POSE_H_
