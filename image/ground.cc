#include "image/ground.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "image/illumination.h"
#include "image/preprocessor.h"
#include "image/ruling.h"
#include "image/sheet.h"

namespace s2p {
namespace {

// The ground is measured on a copy of at most this longer side. A drawing whose ground is not white
// is cut out of a copy of at most the second, and is at most as long as the third.
constexpr int kMeasuredPixels = 512, kCutPixels = 1024, kDrawnPixels = 512;
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

// A picture's ground, as it was measured. All have the size of the copy that was measured.
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
    cv::resize(GroundOf(luma), measured.ground, luma.size(), 0, 0, cv::INTER_LINEAR);
    cv::divide(luma, measured.ground, luma, kWhite);
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
  cv::Mat picture;
  // Where the drawing is a sheet in the picture.
  std::optional<SheetCorners> sheet;
  Measured measured;
};

Drawing MeasuredDrawing(const Image& image) {
  Drawing drawing{Shrunk(PixelsOf(image), kCutPixels), std::nullopt, {}};
  cv::Mat luma = LumaOf(Shrunk(drawing.picture, kMeasuredPixels));
  if (!HasWhiteBorder(BorderLevels(luma))) drawing.sheet = FindSheet(luma);
  if (drawing.sheet) {
    luma = Flattened(luma, *drawing.sheet, {0, 0, 1, 1}, FlatSize(luma.size(), *drawing.sheet));
  }
  drawing.measured = Measure(std::move(luma));
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

// The box of the ink, of at most kDrawnPixels.
cv::Mat CutOut(const Drawing& drawing) {
  const cv::Rect& box = drawing.measured.box;
  const cv::Size measured = drawing.measured.ink.size();
  if (!drawing.sheet) {
    return Shrunk(drawing.picture(Scaled(box, measured, drawing.picture.size())), kDrawnPixels);
  }
  const cv::Size sheet = FlatSize(drawing.picture.size(), *drawing.sheet);
  const double width = measured.width, height = measured.height;
  const cv::Rect2d part(box.x / width, box.y / height, box.width / width, box.height / height);
  return Shrunk(
      Flattened(drawing.picture, *drawing.sheet, part, Scaled(box, measured, sheet).size()),
      kDrawnPixels);
}

// Where ink and its soft edges are; elsewhere the drawing is white.
cv::Mat KeptOf(const Measured& measured) {
  cv::Mat kept;
  cv::dilate(measured.ink, kept, Square(kSoftEdge));
  if (!measured.printed.empty()) kept.setTo(0, measured.printed);
  return kept;
}

// Makes the ink of a cut-out drawing as dark as on white paper, and all else white.
void Clean(const Measured& measured, cv::Mat& drawing) {
  cv::Mat kept, ground;
  cv::resize(KeptOf(measured)(measured.box), kept, drawing.size(), 0, 0, cv::INTER_NEAREST);
  if (!measured.ground.empty()) {
    cv::resize(measured.ground(measured.box), ground, drawing.size(), 0, 0, cv::INTER_LINEAR);
  }
  // Pixels as light as the threshold become white.
  const float white = measured.ground.empty() ? 1.0F : 255.0F * 255.0F / measured.threshold;
  const auto contrast = static_cast<float>(measured.contrast);
  for (int y = 0; y < drawing.rows; ++y) {
    auto* pixel = drawing.ptr<cv::Vec3b>(y);
    for (int x = 0; x < drawing.cols; ++x) {
      if (kept.at<uint8_t>(y, x) == 0) {
        pixel[x] = cv::Vec3b::all(kWhite);
        continue;
      }
      const float scale = ground.empty() ? white : white / ground.at<uint8_t>(y, x);
      for (int channel = 0; channel < Image::kChannels; ++channel) {
        const int level = measured.inverted ? kWhite - pixel[x][channel] : pixel[x][channel];
        const float ink = (kWhite - scale * static_cast<float>(level)) * contrast;
        pixel[x][channel] = static_cast<uint8_t>(std::clamp(255.5F - ink, 0.0F, 255.0F));
      }
    }
  }
}

// A white square around a picture.
Image Centred(const cv::Mat& picture) {
  const int longer = std::max(picture.cols, picture.rows);
  const int side = longer + 2 * std::max(1, longer / kGroundShare);
  Image square(side, side, kWhite);
  const cv::Point corner((side - picture.cols) / 2, (side - picture.rows) / 2);
  picture.copyTo(PixelsOf(square)(cv::Rect(corner, picture.size())));
  return square;
}

}  // namespace

bool HasInk(const Image& image) {
  S2P_CHECK(!image.empty());
  double darkest = 0, lightest = 0;
  cv::minMaxLoc(LumaOf(Shrunk(PixelsOf(image), kMeasuredPixels)), &darkest, &lightest);
  // JPEG's errors in a single tone are smaller.
  if (lightest - darkest < kWhite - kWhiteGround) return false;
  return !MeasuredDrawing(image).measured.box.empty();
}

Image FitToMeasuredInk(const Image& image) {
  S2P_CHECK(!image.empty());
  const Drawing drawing = MeasuredDrawing(image);
  const Measured& measured = drawing.measured;
  if (measured.box.empty()) return image;
  if (measured.is_white() && !drawing.sheet) {
    const cv::Rect box = Scaled(measured.box, measured.ink.size(), {image.width(), image.height()});
    return Centred(PixelsOf(image)(box));
  }
  cv::Mat cut = CutOut(drawing);
  if (!measured.is_white()) {
    // A part of the picture is not to be changed where it lies.
    if (!drawing.sheet) cut = cut.clone();
    Clean(measured, cut);
  }
  return Centred(cut);
}

}  // namespace s2p
