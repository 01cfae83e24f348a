#include "image/ground.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "base/check.h"
#include "image/preprocessor.h"

namespace s2p {
namespace {

// The ground is measured on a copy of at most this longer side.
constexpr int kMeasuredPixels = 512;
constexpr int kCells = 16;
constexpr int kWhite = 255;
// As FitToInk's: lighter pixels are white ground.
constexpr int kWhiteGround = 235;
// Ink is never looked for above this darkness, however noisy the ground is.
constexpr int kDarkestThreshold = 160;
// Ground below this luma may carry ink that is lighter than it.
constexpr int kDarkGround = 128;
// Differences from the ground up to this luma are its own.
constexpr int kUneven = 20;
// Specks are smaller than this share of the longer side.
constexpr int kSpeckShare = 64;
// A cell that is darker than this share of the surface is filled with ink.
constexpr double kLeastGround = 0.75;
// White ground may have this share of darker pixels at the border, where ink touches it.
constexpr double kInkAtBorder = 0.05;
constexpr int kGroundShare = 16;

using Cells = std::array<std::array<double, kCells>, kCells>;

cv::Mat LumaOf(const Image& image) {
  const Image grey = ToGrey(image);
  cv::Mat luma(grey.height(), grey.width(), CV_8U);
  for (int y = 0; y < grey.height(); ++y) {
    for (int x = 0; x < grey.width(); ++x) {
      luma.at<uint8_t>(y, x) = grey.row(y)[x * Image::kChannels];
    }
  }
  return luma;
}

// The pixels of the outermost 32nd.
std::vector<uint8_t> BorderOf(const cv::Mat& luma) {
  const int depth = std::max(1, std::min(luma.cols, luma.rows) / 32);
  std::vector<uint8_t> border;
  for (int y = 0; y < luma.rows; ++y) {
    const bool inner_row = y >= depth && y < luma.rows - depth;
    for (int x = 0; x < luma.cols; ++x) {
      if (inner_row && x == depth && luma.cols > 2 * depth) x = luma.cols - depth;
      border.push_back(luma.at<uint8_t>(y, x));
    }
  }
  return border;
}

template <typename T>
T Percentile(std::vector<T> values, double share) {
  S2P_CHECK(!values.empty());
  const auto at = static_cast<size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

// True if the ground is dark and the picture deviates from it rather towards white.
bool HasLightInk(const cv::Mat& luma, int ground) {
  if (ground >= kDarkGround) return false;
  const cv::Mat lighter = luma - (ground + kUneven), darker = (ground - kUneven) - luma;
  return cv::sum(lighter)[0] > cv::sum(darker)[0];
}

int CellBegin(int cell, int side) { return cell * side / kCells; }

// The light part of each cell: its 80th percentile.
Cells LightPartOf(const cv::Mat& luma) {
  Cells light{};
  for (int row = 0; row < kCells; ++row) {
    for (int column = 0; column < kCells; ++column) {
      const int top = CellBegin(row, luma.rows), left = CellBegin(column, luma.cols);
      const int bottom = std::max(top + 1, CellBegin(row + 1, luma.rows));
      const int right = std::max(left + 1, CellBegin(column + 1, luma.cols));
      std::vector<uint8_t> pixels;
      for (int y = top; y < bottom; ++y) {
        pixels.insert(pixels.end(), luma.ptr(y) + left, luma.ptr(y) + right);
      }
      light[row][column] = Percentile(std::move(pixels), 0.8);
    }
  }
  return light;
}

std::array<double, 6> Monomials(int row, int column) {
  const double y = (row + 0.5) / kCells - 0.5, x = (column + 0.5) / kCells - 0.5;
  return {1, x, y, x * x, x * y, y * y};
}

// The surface of second degree through the cells, at least squares; cells that lie far below the
// surface of the last round are left out.
Cells SurfaceThrough(const Cells& light) {
  Cells surface{};
  for (int round = 0; round < 4; ++round) {
    cv::Mat_<double> terms(0, 6), values(0, 1);
    for (int row = 0; row < kCells; ++row) {
      for (int column = 0; column < kCells; ++column) {
        if (light[row][column] < kLeastGround * surface[row][column]) continue;
        terms.push_back(cv::Mat_<double>(1, 6, Monomials(row, column).data()).clone());
        values.push_back(light[row][column]);
      }
    }
    cv::Mat_<double> factors;
    if (terms.rows < kCells || !cv::solve(terms, values, factors, cv::DECOMP_SVD)) break;
    for (int row = 0; row < kCells; ++row) {
      for (int column = 0; column < kCells; ++column) {
        const auto monomials = Monomials(row, column);
        double sum = 0;
        for (int i = 0; i < 6; ++i) sum += factors(i) * monomials[i];
        surface[row][column] = std::clamp(sum, 1.0, static_cast<double>(kWhite));
      }
    }
  }
  return surface;
}

Cells GroundOf(const cv::Mat& luma) {
  Cells ground = LightPartOf(luma);
  const Cells surface = SurfaceThrough(ground);
  for (int row = 0; row < kCells; ++row) {
    for (int column = 0; column < kCells; ++column) {
      double& cell = ground[row][column];
      if (cell < kLeastGround * surface[row][column]) cell = surface[row][column];
      cell = std::max(cell, 1.0);
    }
  }
  return ground;
}

// Between which two cells a pixel lies, and how near to the second.
struct Between {
  Between(int pixel, int side) {
    const double place =
        std::clamp((pixel + 0.5) / side * kCells - 0.5, 0.0, static_cast<double>(kCells - 1));
    first = std::min(static_cast<int>(place), kCells - 2);
    share = place - first;
  }
  int first = 0;
  double share = 0;
};

// The ground along one row of a picture.
std::vector<float> GroundAlong(const Cells& ground, int y, int width, int height) {
  const Between rows(y, height);
  std::array<double, kCells> here{};
  for (int i = 0; i < kCells; ++i) {
    here[i] = ground[rows.first][i] * (1 - rows.share) + ground[rows.first + 1][i] * rows.share;
  }
  std::vector<float> along(static_cast<size_t>(width));
  for (int x = 0; x < width; ++x) {
    const Between columns(x, width);
    along[x] = static_cast<float>(here[columns.first] * (1 - columns.share) +
                                  here[columns.first + 1] * columns.share);
  }
  return along;
}

uint8_t OnWhite(uint8_t value, float ground) {
  return static_cast<uint8_t>(
      std::min<float>(kWhite, std::round(static_cast<float>(value) * kWhite / ground)));
}

void DivideByGround(const Cells& ground, cv::Mat& luma) {
  for (int y = 0; y < luma.rows; ++y) {
    const std::vector<float> along = GroundAlong(ground, y, luma.cols, luma.rows);
    for (int x = 0; x < luma.cols; ++x) {
      luma.at<uint8_t>(y, x) = OnWhite(luma.at<uint8_t>(y, x), along[x]);
    }
  }
}

// The measured ground, and the box of the ink on the reduced copy.
struct Measured {
  bool inverted = false;
  bool is_white = true;
  Cells ground{};
  cv::Rect ink;
};

// Five standard deviations, by the median, below white.
int ThresholdOn(const cv::Mat& on_white) {
  std::vector<uint8_t> off;
  for (const uint8_t value : BorderOf(on_white))
    off.push_back(static_cast<uint8_t>(kWhite - value));
  const int noise = static_cast<int>(std::lround(5 * 1.4826 * Percentile(std::move(off), 0.5)));
  return std::clamp(kWhite - noise, kDarkestThreshold, kWhiteGround);
}

// The box around all connected ink that is no speck, or around the specks if there is nothing else.
cv::Rect BoxOf(const cv::Mat& on_white, int threshold) {
  cv::Mat numbers, statistics, centres;
  const cv::Mat ink = on_white < threshold;
  const int count = cv::connectedComponentsWithStats(ink, numbers, statistics, centres, 8);
  const int speck = std::max(ink.cols, ink.rows) / kSpeckShare;
  cv::Rect all, large;
  for (int i = 1; i < count; ++i) {
    const cv::Rect box(
        statistics.at<int>(i, cv::CC_STAT_LEFT), statistics.at<int>(i, cv::CC_STAT_TOP),
        statistics.at<int>(i, cv::CC_STAT_WIDTH), statistics.at<int>(i, cv::CC_STAT_HEIGHT));
    all |= box;
    if (std::max(box.width, box.height) >= speck) large |= box;
  }
  return large.empty() ? all : large;
}

Measured Measure(cv::Mat luma) {
  Measured measured;
  std::vector<uint8_t> border = BorderOf(luma);
  const int level = Percentile(border, 0.5);
  measured.inverted = HasLightInk(luma, level);
  if (measured.inverted) {
    luma = kWhite - luma;
    border = BorderOf(luma);
  }
  measured.is_white = Percentile(border, kInkAtBorder) >= kWhiteGround;
  int threshold = kWhiteGround;
  if (!measured.is_white) {
    measured.ground = GroundOf(luma);
    DivideByGround(measured.ground, luma);
    threshold = ThresholdOn(luma);
  }
  measured.ink = BoxOf(luma, threshold);
  return measured;
}

}  // namespace

bool HasInk(const Image& image) {
  S2P_CHECK(!image.empty());
  const cv::Mat luma = LumaOf(Reduce(image, kMeasuredPixels));
  double darkest = 0, lightest = 0;
  cv::minMaxLoc(luma, &darkest, &lightest);
  // What JPEG makes of one tone differs by less.
  if (lightest - darkest < kWhite - kWhiteGround) return false;
  return !Measure(luma).ink.empty();
}

Image FitToMeasuredInk(const Image& image) {
  S2P_CHECK(!image.empty());
  const Image reduced = Reduce(image, kMeasuredPixels);
  const Measured measured = Measure(LumaOf(reduced));
  if (measured.ink.empty()) return image;
  // Outwards to whole pixels of the full picture.
  const auto full = [](int at, int from, int to, bool up) {
    return static_cast<int>((int64_t{at} * to + (up ? from - 1 : 0)) / from);
  };
  const int left = full(measured.ink.x, reduced.width(), image.width(), false);
  const int top = full(measured.ink.y, reduced.height(), image.height(), false);
  const int width = full(measured.ink.br().x, reduced.width(), image.width(), true) - left;
  const int height = full(measured.ink.br().y, reduced.height(), image.height(), true) - top;
  const int longer = std::max(width, height);
  const int side = longer + 2 * std::max(1, longer / kGroundShare);
  Image square(side, side, kWhite);
  for (int y = 0; y < height; ++y) {
    std::vector<float> along;
    if (!measured.is_white) {
      along = GroundAlong(measured.ground, top + y, image.width(), image.height());
    }
    const uint8_t* from = image.row(top + y) + left * Image::kChannels;
    uint8_t* to = square.row((side - height) / 2 + y) + (side - width) / 2 * Image::kChannels;
    for (int i = 0; i < width * Image::kChannels; ++i) {
      const auto value = static_cast<uint8_t>(measured.inverted ? kWhite - from[i] : from[i]);
      to[i] = measured.is_white ? value : OnWhite(value, along[left + i / Image::kChannels]);
    }
  }
  return square;
}

}  // namespace s2p
