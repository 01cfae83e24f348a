// The object that a photo shows, without its ground.
#ifndef S2P_TRAINER_PSEUDO_SHOWN_OBJECT_H_
#define S2P_TRAINER_PSEUDO_SHOWN_OBJECT_H_

#include <opencv2/core.hpp>

#include "image/image.h"

namespace s2p {

// Side of the square that pseudo-sketches are drawn in, in pixels. The object takes three quarters
// of it, about as much as in the pictures that strokes are drawn on.
inline constexpr int kPseudoSketchPixels = 320;

// A value; copies share their pixels.
struct ShownObject {
  // The object in the middle of white: [kPseudoSketchPixels, kPseudoSketchPixels], CV_8UC3, RGB.
  // Around a photo without ground its outermost pixels are repeated.
  cv::Mat picture;
  // 255 where the object is, else 0: CV_8UC1 of the same size. The whole picture where no ground
  // can be told from it.
  cv::Mat mask;
  // Whether there is a ground: the picture's border is nearly of one colour.
  bool has_ground = false;
};

// The object is what FindShownPart (image/shown_part.h) finds. Requires a non-empty photo.
// Thread-safe.
ShownObject FindObject(const Image& photo);

}  // namespace s2p

#endif  // S2P_TRAINER_PSEUDO_SHOWN_OBJECT_H_
