#include "trainer/pseudo/shown_object.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <opencv2/imgproc.hpp>

#include "base/check.h"
#include "image/preprocessor.h"
#include "image/shown_part.h"

namespace s2p {
namespace {

// The object takes this share of the square's side.
constexpr double kObjectShare = 0.75;
// The photo is looked at in this size: large enough for the square, whatever its object takes.
constexpr int kLookedAtPixels = 640;

// The cut-out, in the middle of the square; what is around it is `outside`, or, where it is a whole
// photo, like the nearest pixel, so that the photo's frame is no edge.
cv::Mat InSquare(const cv::Mat& cut, int interpolation, bool is_whole, const cv::Scalar& outside) {
  const double scale = kObjectShare * kPseudoSketchPixels / std::max(cut.cols, cut.rows);
  const int width = std::max(1, static_cast<int>(std::lround(scale * cut.cols)));
  const int height = std::max(1, static_cast<int>(std::lround(scale * cut.rows)));
  cv::Mat resized, square;
  cv::resize(cut, resized, {width, height}, 0, 0, interpolation);
  const int left = (kPseudoSketchPixels - width) / 2, top = (kPseudoSketchPixels - height) / 2;
  cv::copyMakeBorder(resized, square, top, kPseudoSketchPixels - height - top, left,
                     kPseudoSketchPixels - width - left,
                     is_whole ? cv::BORDER_REPLICATE : cv::BORDER_CONSTANT, outside);
  return square;
}

}  // namespace

ShownObject FindObject(const Image& photo) {
  S2P_CHECK(!photo.empty());
  Image reduced = Reduce(photo, kLookedAtPixels);
  ShownPart shown = FindShownPart(reduced);
  ShownObject object;
  object.has_ground = !shown.mask.empty();
  if (!object.has_ground) shown.mask.assign(static_cast<size_t>(shown.width) * shown.height, 255);
  const cv::Mat mask(shown.height, shown.width, CV_8U, shown.mask.data());
  cv::Mat rgb(reduced.height(), reduced.width(), CV_8UC3, reduced.row(0));
  const cv::Rect box = cv::boundingRect(mask);
  rgb.setTo(cv::Scalar::all(255), mask == 0);
  object.picture =
      InSquare(rgb(box), cv::INTER_AREA, /*is_whole=*/!object.has_ground, cv::Scalar::all(255));
  object.mask = InSquare(mask(box), cv::INTER_NEAREST, /*is_whole=*/false, cv::Scalar::all(0));
  return object;
}

}  // namespace s2p
