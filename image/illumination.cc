#include "image/illumination.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <queue>
#include <utility>
#include <vector>

#include "image/preprocessor.h"

namespace s2p {
namespace {

// The ground is stored at this size; strokes are narrower than this share of it.
constexpr int kGroundPixels = 256, kStrokeShare = 20;
// Filled parts are found at this size.
constexpr int kFilledPixels = 64;
// Ground below this luma may carry ink that is lighter than it.
constexpr int kDarkGround = 128;
// Differences from the ground up to this luma are its own; strokes deviate by more than the second,
// even when a camera's noise has been smoothed.
constexpr int kUneven = 20, kNoise = 6;
// Strokes decide about light and dark if they deviate by this much on average.
constexpr double kLeastStrokes = 0.02;
// An area darker than this share of its surroundings is filled with ink.
constexpr double kLeastGround = 0.9;
// No shadow is darker than this share of the light ground.
constexpr double kDarkestShadow = 0.15;

cv::Mat StrokeKernel(const cv::Mat& luma) {
  const int stroke = std::max(luma.cols, luma.rows) / kStrokeShare | 1;
  return cv::getStructuringElement(cv::MORPH_RECT, {stroke, stroke});
}

// At kGroundPixels, without noise.
cv::Mat Smoothed(const cv::Mat& luma) {
  cv::Mat smooth;
  cv::GaussianBlur(Shrunk(luma, kGroundPixels), smooth, {3, 3}, 0);
  return smooth;
}

// The sum of what the values exceed a limit by.
double Beyond(const cv::Mat& values, int limit) { return cv::sum(values - limit)[0]; }

// Raises every pixel to the lowest level over which one can leave the picture from it, so that what
// is enclosed by something lighter has its level (S. Beucher and F. Meyer, "The morphological
// approach to segmentation", 1993).
cv::Mat Filled(const cv::Mat& luma) {
  using Place = std::pair<uint8_t, cv::Point>;
  const auto higher = [](const Place& a, const Place& b) { return a.first > b.first; };
  std::priority_queue<Place, std::vector<Place>, decltype(higher)> next(higher);
  cv::Mat filled(luma.size(), CV_8U, cv::Scalar(0));
  cv::Mat seen = cv::Mat::zeros(luma.size(), CV_8U);
  const auto reach = [&](const cv::Point& at, uint8_t level) {
    if (seen.at<uint8_t>(at) != 0) return;
    seen.at<uint8_t>(at) = 1;
    filled.at<uint8_t>(at) = std::max(level, luma.at<uint8_t>(at));
    next.push({filled.at<uint8_t>(at), at});
  };
  for (int y = 0; y < luma.rows; ++y) {
    for (int x = 0; x < luma.cols; ++x) {
      if (x == 0 || y == 0 || x == luma.cols - 1 || y == luma.rows - 1) reach({x, y}, 0);
    }
  }
  const cv::Rect picture({0, 0}, luma.size());
  while (!next.empty()) {
    const Place lowest = next.top();
    next.pop();
    for (const cv::Point& step : {cv::Point(1, 0), {-1, 0}, {0, 1}, {0, -1}}) {
      const cv::Point to = lowest.second + step;
      if (picture.contains(to)) reach(to, lowest.first);
    }
  }
  return filled;
}

}  // namespace

int Levels::At(double share) const {
  int64_t all = 0;
  for (const int64_t count : counts_) all += count;
  auto before = static_cast<int64_t>(share * static_cast<double>(std::max<int64_t>(all - 1, 0)));
  for (int level = 0; level < 256; ++level) {
    if (before < counts_[level]) return level;
    before -= counts_[level];
  }
  return 0;
}

Levels BorderLevels(const cv::Mat& luma) {
  const int depth = std::max(1, std::min(luma.cols, luma.rows) / 32);
  Levels levels;
  for (int y = 0; y < luma.rows; ++y) {
    const bool inner_row = y >= depth && y < luma.rows - depth;
    const uint8_t* row = luma.ptr(y);
    for (int x = 0; x < luma.cols; ++x) {
      if (inner_row && x == depth && luma.cols > 2 * depth) x = luma.cols - depth;
      levels.Add(row[x]);
    }
  }
  return levels;
}

Levels AllLevels(const cv::Mat& luma) {
  Levels levels;
  for (int y = 0; y < luma.rows; ++y) {
    const uint8_t* row = luma.ptr(y);
    for (int x = 0; x < luma.cols; ++x) levels.Add(row[x]);
  }
  return levels;
}

cv::Mat LumaOf(const cv::Mat& picture) {
  cv::Mat luma(picture.size(), CV_8U);
  for (int y = 0; y < picture.rows; ++y) {
    const uint8_t* pixel = picture.ptr(y);
    uint8_t* out = luma.ptr(y);
    for (int x = 0; x < picture.cols; ++x, pixel += Image::kChannels) out[x] = Luma(pixel);
  }
  return luma;
}

cv::Size Within(const cv::Size& size, int longer) {
  const double scale = static_cast<double>(longer) / std::max(size.width, size.height);
  if (scale >= 1) return size;
  const auto shrunk = [&](int side) {
    return std::max(1, static_cast<int>(std::lround(side * scale)));
  };
  return {shrunk(size.width), shrunk(size.height)};
}

cv::Mat Shrunk(const cv::Mat& picture, int longer) {
  const cv::Size size = Within(picture.size(), longer);
  if (size == picture.size()) return picture;
  cv::Mat result;
  cv::resize(picture, result, size, 0, 0, cv::INTER_AREA);
  return result;
}

bool HasLightInk(const cv::Mat& luma, int ground) {
  if (ground >= kDarkGround) return false;
  const cv::Mat smooth = Smoothed(luma);
  cv::Mat light, dark;
  cv::morphologyEx(smooth, light, cv::MORPH_TOPHAT, StrokeKernel(smooth));
  cv::morphologyEx(smooth, dark, cv::MORPH_BLACKHAT, StrokeKernel(smooth));
  // A gap between two strokes is as narrow as a stroke, and no other than the ground.
  light = cv::min(light, smooth - ground);
  dark = cv::min(dark, ground - smooth);
  const double lighter = Beyond(light, kNoise), darker = Beyond(dark, kNoise);
  if (lighter + darker > kLeastStrokes * static_cast<double>(smooth.total())) {
    return lighter > darker;
  }
  return Beyond(luma - ground, kUneven) > Beyond(ground - luma, kUneven);
}

cv::Mat GroundOf(const cv::Mat& luma) {
  cv::Mat ground;
  const cv::Mat smooth = Smoothed(luma);
  cv::morphologyEx(smooth, ground, cv::MORPH_CLOSE, StrokeKernel(smooth));
  // Edges of shadows, which were smoothed, must not be left as lines on their dark side.
  cv::erode(ground, ground, cv::getStructuringElement(cv::MORPH_RECT, {5, 5}));
  const cv::Mat rough = Shrunk(ground, kFilledPixels);
  cv::Mat level = Filled(rough), is_ink = rough < level * kLeastGround;
  cv::dilate(is_ink, is_ink, cv::Mat());
  cv::resize(is_ink, is_ink, ground.size(), 0, 0, cv::INTER_NEAREST);
  cv::resize(level, level, ground.size(), 0, 0, cv::INTER_LINEAR);
  level.copyTo(ground, is_ink);
  return cv::max(ground, std::max(1.0, AllLevels(rough).At(0.9) * kDarkestShadow));
}

}  // namespace s2p
