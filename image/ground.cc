#include "image/ground.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

#include "base/check.h"
#include "image/illumination.h"
#include "image/preprocessor.h"
#include "image/ruling.h"
#include "image/sheet.h"

namespace s2p {
namespace {

// The ground is measured on a copy of at most this longer side, and a drawing whose ground is not
// white is cut out of a copy of at most the second.
constexpr int kMeasuredPixels = 512, kDrawnPixels = 1024;
constexpr int kWhite = 255;
// As FitToInk's: lighter pixels are white ground.
constexpr int kWhiteGround = 235;
// Ink is never looked for above this darkness, however noisy the ground is.
constexpr int kDarkestThreshold = 160;
// White ground may have this share of darker pixels at the border, where ink touches it.
constexpr double kInkAtBorder = 0.05;
// Specks, which do not widen the cut, are smaller than this share of the longer side. Dust, which
// is wiped off a ground that is not white, is smaller than the second.
constexpr int kSpeckShare = 36, kDustShare = 128;
// A shadow leaves remnants at the border, which are smaller than this share of the longer side.
constexpr int kRemnantShare = 8;
// Strokes that a printed line cuts are joined over gaps of fewer pixels than this.
constexpr int kBridged = 7;
// Ink and its soft edges: this many pixels around.
constexpr int kSoftEdge = 5;
// Ink on a ground that is not white is darkened until a fifth of it is at most this light.
constexpr int kInkLuma = 60;
constexpr double kMostContrast = 3;
constexpr int kGroundShare = 16;

cv::Mat Square(int side) { return cv::getStructuringElement(cv::MORPH_RECT, {side, side}); }

cv::Mat PixelsOf(const Image& image) {
  return {image.height(), image.width(), CV_8UC3, const_cast<uint8_t*>(image.row(0))};
}

// Averages areas, which is faster than Reduce.
Image ShrunkImage(const Image& image, int longer) {
  if (std::max(image.width(), image.height()) <= longer) return image;
  const cv::Mat shrunk = Shrunk(PixelsOf(image), longer);
  Image result(shrunk.cols, shrunk.rows);
  shrunk.copyTo(PixelsOf(result));
  return result;
}

// A picture's ground, as it was measured. Masks have the size of the copy that was measured.
struct Measured {
  bool inverted = false;
  // Unset if the ground is white as it is.
  cv::Mat ground;
  // Lighter than this, relative to the ground, is ground.
  int threshold = kWhiteGround;
  // 255 at printed lines. Unset if there are none.
  cv::Mat printed;
  // 255 where ink is; only on white ground with specks and dust.
  cv::Mat ink;
  // The box of the ink. Empty if there is none.
  cv::Rect box;
  // Factor by which ink is made darker.
  double contrast = 1;

  bool is_white() const { return !inverted && ground.empty() && printed.empty(); }
};

bool HasWhiteBorder(const Levels& border) { return border.At(kInkAtBorder) >= kWhiteGround; }

void DivideByGround(const cv::Mat& ground, cv::Mat& luma) {
  cv::Mat full;
  cv::resize(ground, full, luma.size(), 0, 0, cv::INTER_LINEAR);
  cv::divide(luma, full, luma, kWhite);
}

// Five standard deviations, by the median, below white.
int ThresholdOn(const cv::Mat& on_white) {
  const int noise =
      static_cast<int>(std::lround(5 * 1.4826 * (kWhite - BorderLevels(on_white).At(0.5))));
  return std::clamp(kWhite - noise, kDarkestThreshold, kWhiteGround);
}

// Takes printed lines out of the ink, except for short pieces between two strokes, which are drawn.
void TakeOut(Measured& measured) {
  cv::Mat drawn = measured.ink & ~measured.printed;
  cv::morphologyEx(drawn, drawn, cv::MORPH_CLOSE, Square(kBridged));
  measured.ink &= drawn;
  measured.printed &= ~drawn;
}

bool TouchesBorder(const cv::Rect& box, const cv::Mat& picture) {
  return box.x == 0 || box.y == 0 || box.br().x == picture.cols || box.br().y == picture.rows;
}

// Finds the box of all connected ink that is no speck, or of the specks if there is nothing else.
// On a ground that is not white, takes dust and what shadows leave at the border out of the ink.
void DropSpecks(Measured& measured) {
  cv::Mat numbers, statistics, centres, &ink = measured.ink;
  const int count = cv::connectedComponentsWithStats(ink, numbers, statistics, centres, 8);
  const int side = std::max(ink.cols, ink.rows);
  std::vector<uint8_t> kept(static_cast<size_t>(count), 0);
  cv::Rect all, large;
  for (int i = 1; i < count; ++i) {
    const cv::Rect box(
        statistics.at<int>(i, cv::CC_STAT_LEFT), statistics.at<int>(i, cv::CC_STAT_TOP),
        statistics.at<int>(i, cv::CC_STAT_WIDTH), statistics.at<int>(i, cv::CC_STAT_HEIGHT));
    const int longer = std::max(box.width, box.height);
    const bool is_remnant = TouchesBorder(box, ink) && longer < side / kRemnantShare;
    if (!measured.is_white() && (is_remnant || longer < side / kDustShare)) continue;
    kept[i] = kWhite;
    all |= box;
    if (longer >= side / kSpeckShare) large |= box;
  }
  measured.box = large.empty() ? all : large;
  if (measured.is_white()) return;
  for (int y = 0; y < numbers.rows; ++y) {
    const int* number = numbers.ptr<int>(y);
    uint8_t* row = ink.ptr(y);
    for (int x = 0; x < numbers.cols; ++x) row[x] = kept[number[x]];
  }
}

double ContrastOf(const cv::Mat& on_white, const cv::Mat& ink) {
  Levels levels;
  for (int y = 0; y < ink.rows; ++y) {
    for (int x = 0; x < ink.cols; ++x) {
      if (ink.at<uint8_t>(y, x) != 0) levels.Add(on_white.at<uint8_t>(y, x));
    }
  }
  const double darkness = std::max(1, kWhite - levels.At(0.2));
  return std::clamp((kWhite - kInkLuma) / darkness, 1.0, kMostContrast);
}

Measured Measure(cv::Mat luma) {
  Measured measured;
  Levels border = BorderLevels(luma);
  measured.inverted = HasLightInk(luma, border.At(0.5));
  if (measured.inverted) {
    luma = kWhite - luma;
    border = BorderLevels(luma);
  }
  if (!HasWhiteBorder(border)) {
    measured.ground = GroundOf(luma);
    DivideByGround(measured.ground, luma);
    measured.threshold = ThresholdOn(luma);
  }
  measured.ink = luma < measured.threshold;
  measured.printed = FindRuling(measured.ink, luma);
  if (!measured.printed.empty()) TakeOut(measured);
  DropSpecks(measured);
  if (!measured.ground.empty()) measured.contrast = ContrastOf(luma, measured.ink);
  return measured;
}

// The picture that a drawing is cut out of, and what was measured of it.
struct Drawing {
  Image picture;
  // The picture is a sheet that was found in the image.
  bool is_flattened = false;
  Measured measured;
};

Drawing MeasuredDrawing(const Image& image) {
  Drawing drawing{ShrunkImage(image, kDrawnPixels), false, {}};
  cv::Mat luma = LumaOf(ShrunkImage(drawing.picture, kMeasuredPixels));
  if (!HasWhiteBorder(BorderLevels(luma))) {
    if (const auto sheet = FindSheet(luma)) {
      drawing.picture = Flatten(drawing.picture, *sheet);
      drawing.is_flattened = true;
      luma = LumaOf(ShrunkImage(drawing.picture, kMeasuredPixels));
    }
  }
  drawing.measured = Measure(luma);
  return drawing;
}

// A box of a picture of size `from` in one of size `to`, outwards to whole pixels.
cv::Rect Scaled(const cv::Rect& box, const cv::Size& from, const cv::Size& to) {
  const auto scaled = [](int at, int old_side, int side, bool up) {
    return static_cast<int>((int64_t{at} * side + (up ? old_side - 1 : 0)) / old_side);
  };
  const int left = scaled(box.x, from.width, to.width, false);
  const int top = scaled(box.y, from.height, to.height, false);
  return {left, top, scaled(box.br().x, from.width, to.width, true) - left,
          scaled(box.br().y, from.height, to.height, true) - top};
}

// A pixel's place in a smaller picture: the two pixels that it lies between, and how near it is to
// the second.
struct Between {
  Between(int pixel, int side, int smaller) {
    const double place = std::clamp((pixel + 0.5) * smaller / side - 0.5, 0.0, smaller - 1.0);
    first = static_cast<int>(place);
    second = std::min(first + 1, smaller - 1);
    share = place - first;
  }
  int first;
  int second;
  double share;
};

double GroundAt(const cv::Mat& ground, const Between& x, const Between& y) {
  const auto along = [&](int row) {
    const uint8_t* levels = ground.ptr(row);
    return levels[x.first] * (1 - x.share) + levels[x.second] * x.share;
  };
  return along(y.first) * (1 - y.share) + along(y.second) * y.share;
}

// Copies the ink of a row to `to`, as dark as on white paper. `kept` is 255 where ink may be.
void CopyInk(const Drawing& drawing, const cv::Mat& kept, int y, const cv::Rect& box, uint8_t* to) {
  const Image& picture = drawing.picture;
  const Measured& measured = drawing.measured;
  const uint8_t* keep = kept.ptr(y * kept.rows / picture.height());
  const Between row(y, picture.height(), std::max(1, measured.ground.rows));
  for (int x = box.x; x < box.br().x; ++x, to += Image::kChannels) {
    if (keep[x * kept.cols / picture.width()] == 0) continue;
    const uint8_t* from = picture.row(y) + x * Image::kChannels;
    double scale = 1;
    if (!measured.ground.empty()) {
      const Between column(x, picture.width(), measured.ground.cols);
      // Pixels as light as the threshold become white.
      scale = static_cast<double>(kWhite) / measured.threshold * kWhite /
              GroundAt(measured.ground, column, row);
    }
    for (int channel = 0; channel < Image::kChannels; ++channel) {
      const double value = scale * (measured.inverted ? kWhite - from[channel] : from[channel]);
      const double ink = (kWhite - value) * measured.contrast;
      to[channel] = static_cast<uint8_t>(std::lround(std::clamp(kWhite - ink, 0.0, 255.0)));
    }
  }
}

// Where ink and its soft edges are; elsewhere the drawing is white.
cv::Mat KeptOf(const Measured& measured) {
  cv::Mat kept;
  cv::dilate(measured.ink, kept, Square(kSoftEdge));
  if (!measured.printed.empty()) kept.setTo(0, measured.printed);
  return kept;
}

// A white square around a box of a picture, which `copy_row(y, to)` fills row by row.
template <typename CopyRow>
Image Centred(const cv::Rect& box, const CopyRow& copy_row) {
  const int longer = std::max(box.width, box.height);
  const int side = longer + 2 * std::max(1, longer / kGroundShare);
  Image square(side, side, kWhite);
  for (int y = 0; y < box.height; ++y) {
    copy_row(box.y + y,
             square.row((side - box.height) / 2 + y) + (side - box.width) / 2 * Image::kChannels);
  }
  return square;
}

}  // namespace

bool HasInk(const Image& image) {
  S2P_CHECK(!image.empty());
  const Image shrunk = ShrunkImage(image, kMeasuredPixels);
  double darkest = 0, lightest = 0;
  cv::minMaxLoc(LumaOf(shrunk), &darkest, &lightest);
  // JPEG's errors in a single tone are smaller.
  if (lightest - darkest < kWhite - kWhiteGround) return false;
  return !MeasuredDrawing(shrunk).measured.box.empty();
}

Image FitToMeasuredInk(const Image& image) {
  S2P_CHECK(!image.empty());
  const Drawing drawing = MeasuredDrawing(image);
  const Measured& measured = drawing.measured;
  if (measured.box.empty()) return image;
  const bool as_it_is = measured.is_white() && !drawing.is_flattened;
  const Image& picture = as_it_is ? image : drawing.picture;
  const cv::Rect box =
      Scaled(measured.box, measured.ink.size(), {picture.width(), picture.height()});
  if (measured.is_white()) {
    return Centred(box, [&](int y, uint8_t* to) {
      std::copy_n(picture.row(y) + box.x * Image::kChannels, box.width * Image::kChannels, to);
    });
  }
  const cv::Mat kept = KeptOf(measured);
  return Centred(box, [&](int y, uint8_t* to) { CopyInk(drawing, kept, y, box, to); });
}

}  // namespace s2p
