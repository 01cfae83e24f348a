// How dark ink is, whatever its colour.
#ifndef S2P_IMAGE_INK_TONE_H_
#define S2P_IMAGE_INK_TONE_H_

#include <opencv2/core.hpp>

namespace s2p {

// The tone of ink: its darkest channel, relative to the ground's colour. A red pen reflects red as
// its paper does, so luma takes it for a grey one; in blue it is as dark as a pencil. Grey ink on a
// grey ground has its luma for a tone. Immutable.
class InkTone {
 public:
  // Dark ink on a white or grey ground.
  InkTone() = default;
  // Dark ink on a ground of this colour, which becomes as light as its lightest channel.
  static InkTone OnGround(const cv::Vec3b& colour);
  // Light ink on a dark ground: 255 less the lightest channel.
  static InkTone OfLightInk();

  // CV_8U. `picture`: CV_8UC3, not empty.
  cv::Mat Of(const cv::Mat& picture) const;

 private:
  bool inverted_ = false;
  // 256 values for each channel; empty if they do not change.
  cv::Mat balance_;
};

// The median of each channel at the border of a picture: CV_8UC3, not empty.
cv::Vec3b BorderColour(const cv::Mat& picture);

// Whether a considerable share of the ink is of a colour. `ink`: CV_8U, 255 for ink, of the size of
// `picture`, CV_8UC3.
bool IsColoured(const cv::Mat& picture, const cv::Mat& ink);

}  // namespace s2p

#endif  // S2P_IMAGE_INK_TONE_H_
