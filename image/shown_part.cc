#include "image/shown_part.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "base/check.h"

namespace s2p {
namespace {

// Where the border's colours differ by more than this (8-bit CIELAB), there is no plain ground.
constexpr double kPlainGround = 24;
// A pixel is shown if its colour differs by more than this from the ground's.
constexpr double kLeastDifference = 9;
// Parts below this share of the largest one are specks.
constexpr double kSpeckShare = 0.02;
constexpr double kFewBorderPixels = 0.1;

cv::Mat InLab(const cv::Mat& rgb) {
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

// 255 where something is shown; empty if there is no plain ground, or nothing on it.
cv::Mat MaskOf(const cv::Mat& rgb) {
  const cv::Mat lab = InLab(rgb);
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

}  // namespace

ShownPart FindShownPart(const Image& picture) {
  S2P_CHECK(!picture.empty());
  // OpenCV has no view of constant pixels, and only reads these.
  const cv::Mat rgb(picture.height(), picture.width(), CV_8UC3,
                    const_cast<uint8_t*>(picture.row(0)));
  const cv::Mat mask = MaskOf(rgb);
  ShownPart part;
  part.width = picture.width();
  part.height = picture.height();
  for (int y = 0; y < mask.rows; ++y) {
    part.mask.insert(part.mask.end(), mask.ptr(y), mask.ptr(y) + mask.cols);
  }
  return part;
}

}  // namespace s2p
