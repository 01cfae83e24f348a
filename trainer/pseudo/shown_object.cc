#include "trainer/pseudo/shown_object.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "base/check.h"
#include "image/preprocessor.h"

namespace s2p {
namespace {

// What the object takes of the square's side.
constexpr double kObjectShare = 0.75;
// The photo is looked at in this size: large enough for the square, whatever its object takes.
constexpr int kLookedAtPixels = 640;
// Where the border's colours differ by more than this (8-bit CIELAB), there is no plain ground.
constexpr double kPlainGround = 24;
// A pixel is of the object if its colour differs by more than this from the ground's.
constexpr double kLeastDifference = 9;
// Parts below this share of the largest one are specks.
constexpr double kSpeckShare = 0.02;
constexpr double kFewBorderPixels = 0.1;

cv::Mat LabOf(const cv::Mat& rgb) {
  cv::Mat lab;
  cv::cvtColor(rgb, lab, cv::COLOR_RGB2Lab);
  return lab;
}

std::vector<cv::Vec3b> BorderOf(const cv::Mat& lab) {
  std::vector<cv::Vec3b> border;
  const int depth = std::max(1, std::min(lab.cols, lab.rows) / 64);
  for (int y = 0; y < lab.rows; ++y) {
    const bool inner_row = y >= depth && y < lab.rows - depth;
    for (int x = 0; x < lab.cols; ++x) {
      if (inner_row && x == depth && lab.cols > 2 * depth) x = lab.cols - depth;
      border.push_back(lab.at<cv::Vec3b>(y, x));
    }
  }
  return border;
}

cv::Vec3b MedianOf(const std::vector<cv::Vec3b>& colours) {
  cv::Vec3b median;
  for (int c = 0; c < 3; ++c) {
    std::vector<uint8_t> values;
    for (const cv::Vec3b& colour : colours) values.push_back(colour[c]);
    const auto middle = values.begin() + static_cast<int64_t>(values.size()) / 2;
    std::nth_element(values.begin(), middle, values.end());
    median[c] = *middle;
  }
  return median;
}

double Difference(const cv::Vec3b& a, const cv::Vec3b& b) {
  return cv::norm(cv::Vec3d(a) - cv::Vec3d(b));
}

// The difference from the ground that all but a few pixels of the border stay below.
double SpreadOf(const std::vector<cv::Vec3b>& border, const cv::Vec3b& ground) {
  std::vector<double> differences;
  for (const cv::Vec3b& colour : border) differences.push_back(Difference(colour, ground));
  const auto most = differences.begin() +
                    static_cast<int64_t>((1 - kFewBorderPixels) * (differences.size() - 1.0));
  std::nth_element(differences.begin(), most, differences.end());
  return *most;
}

// Fills what the border cannot reach.
void FillHoles(cv::Mat& mask) {
  cv::Mat outside;
  cv::copyMakeBorder(mask, outside, 1, 1, 1, 1, cv::BORDER_CONSTANT, 0);
  cv::floodFill(outside, {0, 0}, 128);
  mask.setTo(255, outside(cv::Rect(1, 1, mask.cols, mask.rows)) != 128);
}

void RemoveSpecks(cv::Mat& mask) {
  cv::Mat labels, stats, centres;
  const int parts = cv::connectedComponentsWithStats(mask, labels, stats, centres);
  int largest = 0;
  for (int i = 1; i < parts; ++i) {
    largest = std::max(largest, stats.at<int>(i, cv::CC_STAT_AREA));
  }
  for (int i = 1; i < parts; ++i) {
    if (stats.at<int>(i, cv::CC_STAT_AREA) < kSpeckShare * largest) mask.setTo(0, labels == i);
  }
}

// 255 where the object is; empty if there is no plain ground, or nothing on it.
cv::Mat MaskOf(const cv::Mat& rgb) {
  const cv::Mat lab = LabOf(rgb);
  const std::vector<cv::Vec3b> border = BorderOf(lab);
  const cv::Vec3b ground = MedianOf(border);
  const double spread = SpreadOf(border, ground);
  if (spread > kPlainGround) return {};
  const double least = std::max(kLeastDifference, 1.5 * spread);
  cv::Mat mask(lab.rows, lab.cols, CV_8U);
  for (int y = 0; y < lab.rows; ++y) {
    for (int x = 0; x < lab.cols; ++x) {
      mask.at<uint8_t>(y, x) = Difference(lab.at<cv::Vec3b>(y, x), ground) > least ? 255 : 0;
    }
  }
  const int side = std::max(3, std::max(lab.cols, lab.rows) / 100) | 1;
  const cv::Mat disc = cv::getStructuringElement(cv::MORPH_ELLIPSE, {side, side});
  cv::morphologyEx(mask, mask, cv::MORPH_CLOSE, disc);
  FillHoles(mask);
  cv::morphologyEx(mask, mask, cv::MORPH_OPEN, cv::Mat::ones(3, 3, CV_8U));
  RemoveSpecks(mask);
  return cv::countNonZero(mask) == 0 ? cv::Mat() : mask;
}

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
  cv::Mat rgb = cv::Mat(reduced.height(), reduced.width(), CV_8UC3, reduced.row(0)).clone();
  cv::Mat mask = MaskOf(rgb);
  ShownObject object;
  object.has_ground = !mask.empty();
  if (!object.has_ground) mask = cv::Mat(rgb.rows, rgb.cols, CV_8U, cv::Scalar(255));
  const cv::Rect box = cv::boundingRect(mask);
  rgb.setTo(cv::Scalar::all(255), mask == 0);
  object.picture =
      InSquare(rgb(box), cv::INTER_AREA, /*is_whole=*/!object.has_ground, cv::Scalar::all(255));
  object.mask = InSquare(mask(box), cv::INTER_NEAREST, /*is_whole=*/false, cv::Scalar::all(0));
  return object;
}

}  // namespace s2p
