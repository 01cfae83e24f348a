#include "trainer/pseudo/line_maps.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <opencv2/imgproc.hpp>
#include <vector>

namespace s2p {
namespace {

// Slopes below this (Sobel 3 x 3, of 1,020) are noise.
constexpr int kLeastSlope = 24;
// Where an edge may continue, as a share of where it may begin.
constexpr double kContinues = 0.4;
// The wider Gaussian of the difference, relative to the narrower (Winnemoeller et al.).
constexpr double kWider = 1.6;
// Its weight: a little below 1, so that an even surface stays white.
constexpr double kWiderWeight = 0.985;
// Steepness of the hyperbolic tangent, for luma in [0, 1].
constexpr double kSteepness = 60;
// Darkening of the pencil.
constexpr double kPencilGamma = 2;

cv::Mat LumaOf(const cv::Mat& picture) {
  cv::Mat luma;
  cv::cvtColor(picture, luma, cv::COLOR_RGB2GRAY);
  return luma;
}

cv::Mat Blurred(const cv::Mat& picture, double scale) {
  cv::Mat blurred;
  cv::GaussianBlur(picture, blurred, {0, 0}, scale, scale, cv::BORDER_REPLICATE);
  return blurred;
}

// The square root of each channel: lines on black things count as much as those on white ones.
cv::Mat WithLighterShadows(const cv::Mat& picture) {
  cv::Mat table(1, 256, CV_8U), lighter;
  for (int value = 0; value < 256; ++value) {
    table.at<uint8_t>(0, value) = static_cast<uint8_t>(std::lround(std::sqrt(255.0 * value)));
  }
  cv::LUT(picture, table, lighter);
  return lighter;
}

struct Gradient {
  // CV_16SC1.
  cv::Mat x, y;
  // Lengths of at least kLeastSlope.
  std::vector<int> lengths;
};

Gradient SteepestGradient(const cv::Mat& picture) {
  cv::Mat all_x, all_y;
  cv::Sobel(picture, all_x, CV_16S, 1, 0, 3, 1, 0, cv::BORDER_REPLICATE);
  cv::Sobel(picture, all_y, CV_16S, 0, 1, 3, 1, 0, cv::BORDER_REPLICATE);
  Gradient gradient{
      cv::Mat(picture.rows, picture.cols, CV_16S), cv::Mat(picture.rows, picture.cols, CV_16S), {}};
  for (int y = 0; y < picture.rows; ++y) {
    for (int x = 0; x < picture.cols; ++x) {
      const cv::Vec3s& of_x = all_x.at<cv::Vec3s>(y, x);
      const cv::Vec3s& of_y = all_y.at<cv::Vec3s>(y, x);
      int best = 0, steepest = -1;
      for (int c = 0; c < 3; ++c) {
        const int slope = of_x[c] * of_x[c] + of_y[c] * of_y[c];
        if (slope <= steepest) continue;
        steepest = slope;
        best = c;
      }
      gradient.x.at<int16_t>(y, x) = of_x[best];
      gradient.y.at<int16_t>(y, x) = of_y[best];
      const auto length = static_cast<int>(std::sqrt(static_cast<double>(steepest)));
      if (length >= kLeastSlope) gradient.lengths.push_back(length);
    }
  }
  return gradient;
}

}  // namespace

cv::Mat Edges(const cv::Mat& picture, double scale, double share) {
  Gradient gradient = SteepestGradient(Blurred(WithLighterShadows(picture), scale));
  cv::Mat edges(picture.rows, picture.cols, CV_8U, cv::Scalar(0));
  std::vector<int>& lengths = gradient.lengths;
  if (lengths.empty()) return edges;
  const auto first =
      lengths.begin() + static_cast<int64_t>((1 - share) * static_cast<double>(lengths.size() - 1));
  std::nth_element(lengths.begin(), first, lengths.end());
  cv::Canny(gradient.x, gradient.y, edges, kContinues * *first, *first, /*L2gradient=*/true);
  return edges;
}

cv::Mat DifferenceOfGaussians(const cv::Mat& picture, double scale) {
  cv::Mat luma;
  LumaOf(picture).convertTo(luma, CV_32F, 1 / 255.0);
  const cv::Mat difference = Blurred(luma, scale) - kWiderWeight * Blurred(luma, kWider * scale);
  cv::Mat lines(picture.rows, picture.cols, CV_8U);
  for (int y = 0; y < lines.rows; ++y) {
    for (int x = 0; x < lines.cols; ++x) {
      const double below = std::min(0.0F, difference.at<float>(y, x));
      lines.at<uint8_t>(y, x) =
          static_cast<uint8_t>(std::lround(255 * (1 + std::tanh(kSteepness * below))));
    }
  }
  return lines;
}

cv::Mat Pencil(const cv::Mat& picture, double scale) {
  const cv::Mat luma = LumaOf(picture);
  const cv::Mat around = Blurred(luma, scale);
  cv::Mat drawing(luma.rows, luma.cols, CV_8U);
  for (int y = 0; y < luma.rows; ++y) {
    for (int x = 0; x < luma.cols; ++x) {
      const double ratio =
          luma.at<uint8_t>(y, x) / std::max(1.0, static_cast<double>(around.at<uint8_t>(y, x)));
      drawing.at<uint8_t>(y, x) =
          static_cast<uint8_t>(std::lround(255 * std::pow(std::min(1.0, ratio), kPencilGamma)));
    }
  }
  return drawing;
}

}  // namespace s2p
