// How the ground of a drawing is lit: paper in shadow, boards, lamps.
#ifndef S2P_IMAGE_ILLUMINATION_H_
#define S2P_IMAGE_ILLUMINATION_H_

#include <array>
#include <cstdint>
#include <opencv2/core.hpp>

namespace s2p {

// How often each value of a byte occurs. A value.
class Levels {
 public:
  void Add(uint8_t value) { ++counts_[value]; }
  // The value below which this share of the others lies, 0 to 1; 0 if there are none.
  int At(double share) const;

 private:
  std::array<int64_t, 256> counts_{};
};

// The levels of the outermost 32nd of a picture, and of all of it. `luma`: CV_8U, not empty.
Levels BorderLevels(const cv::Mat& luma);
Levels AllLevels(const cv::Mat& luma);

// The luma of a picture of three channels as ToGrey has it (image/preprocessor.h): CV_8U.
cv::Mat LumaOf(const cv::Mat& picture);

// A size of this shape whose longer side is at most `longer` pixels; at least one pixel each way.
cv::Size Within(const cv::Size& size, int longer);
// A copy of at most this longer side in pixels, by averages of areas; the picture itself if it is
// no larger.
cv::Mat Shrunk(const cv::Mat& picture, int longer);

// True if the ground, whose luma at the border is `ground`, is dark and what is drawn on it is
// lighter: chalk on a board, a white pen. Strokes decide, because a shadow, too, is darker than
// what it leaves lit; without strokes it is everything that deviates from the ground. Thread-safe.
bool HasLightInk(const cv::Mat& luma, int ground);

// The ground of dark ink on a lighter sheet, as it would be without the ink: CV_8U, at most 256
// pixels, each at least 1. Strokes, which are narrower than a 20th of the picture, are closed over
// (J. Serra, "Image analysis and mathematical morphology", 1982), so that the edge of a shadow
// stays as sharp as it is. What is wider and darker is a shadow if it comes from the border of the
// picture, and filled with ink if it does not. Thread-safe.
cv::Mat GroundOf(const cv::Mat& luma);

}  // namespace s2p

#endif  // S2P_IMAGE_ILLUMINATION_H_
