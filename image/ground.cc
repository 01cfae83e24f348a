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
#include "image/ink_tone.h"
#include "image/preprocessor.h"
#include "image/ruling.h"
#include "image/sheet.h"
#include "image/specks.h"

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
// Strokes that a printed line cuts are joined over gaps of fewer pixels than this.
constexpr int kBridged = 7;
// Ink and its soft edges: this many pixels around.
constexpr int kSoftEdge = 5;
// Ink on a ground that is not white is darkened until a fifth of it is at most this light.
constexpr int kInkLuma = 60;
constexpr double kMostContrast = 3;

cv::Mat Square(int side) { return cv::getStructuringElement(cv::MORPH_RECT, {side, side}); }

cv::Mat PixelsOf(const Image& image) {
  return {image.height(), image.width(), CV_8UC3, const_cast<uint8_t*>(image.row(0))};
}

// A picture's ground, as it was measured. All have the size of the copy that was measured.
struct Measured {
  bool inverted = false;
  InkTone tone;
  // Unset if the ground is white as it is.
  cv::Mat ground;
  // Lighter than this, relative to the ground, is ground.
  int threshold = kWhiteGround;
  // 255 at printed lines. Unset if there are none.
  cv::Mat printed;
  // 255 where ink is, without dirt.
  cv::Mat ink;
  // The box of the ink. Empty if there is none.
  cv::Rect box;
  // 255 where dirt is. Unset if there is none in the box.
  cv::Mat dirt;
  bool is_coloured = false;
  // Factor by which ink is made darker.
  double contrast = 1;

  bool has_white_ground() const { return !inverted && ground.empty() && printed.empty(); }
  // Whether the picture has the canvas's look.
  bool is_clean() const { return has_white_ground() && dirt.empty() && !is_coloured; }
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

// Tells the ink from dirt.
void TakeOutDirt(Measured& measured) {
  const DrawnInk drawn = FindDrawn(measured.ink, measured.has_white_ground());
  measured.box = drawn.box;
  if (drawn.dirt.empty() || drawn.box.empty()) return;
  measured.ink.setTo(0, drawn.dirt);
  if (cv::countNonZero(drawn.dirt(drawn.box)) > 0) measured.dirt = drawn.dirt;
}

// Measures a picture whose ink has these levels: luma or tone, dark ink on a lighter ground.
void MeasureBy(cv::Mat levels, Measured& measured) {
  if (!HasWhiteBorder(BorderLevels(levels))) {
    cv::resize(GroundOf(levels), measured.ground, levels.size(), 0, 0, cv::INTER_LINEAR);
    cv::divide(levels, measured.ground, levels, kWhite);
    measured.threshold = ThresholdOn(levels);
  }
  measured.ink = levels < measured.threshold;
  measured.printed = FindRuling(measured.ink, levels);
  if (!measured.printed.empty()) TakeOut(measured);
  TakeOutDirt(measured);
  if (!measured.ground.empty()) measured.contrast = ContrastOf(levels, measured.ink);
}

// Whether the ink that was measured by luma has to be measured by its tone. Ruled paper is not: its
// lines are coloured, too, and lighter in luma than a pencil's.
bool NeedsTone(const cv::Mat& picture, const Measured& measured) {
  if (!measured.printed.empty() || measured.box.empty()) return false;
  return IsColoured(picture(measured.box), measured.ink(measured.box));
}

// `luma` is that of `picture`.
Measured Measure(const cv::Mat& picture, cv::Mat luma) {
  Measured measured;
  measured.inverted = HasLightInk(luma, BorderLevels(luma).At(0.5));
  if (measured.inverted) luma = kWhite - luma;
  MeasureBy(std::move(luma), measured);
  if (!NeedsTone(picture, measured)) return measured;
  Measured coloured;
  coloured.inverted = measured.inverted;
  coloured.is_coloured = true;
  coloured.tone =
      coloured.inverted ? InkTone::OfLightInk() : InkTone::OnGround(BorderColour(picture));
  MeasureBy(coloured.tone.Of(picture), coloured);
  // The noise of a dim photograph is coloured, too, and hides a pale pencil in the darkest channel.
  return coloured.box.empty() ? measured : coloured;
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
  cv::Mat picture = Shrunk(drawing.picture, kMeasuredPixels);
  cv::Mat luma = LumaOf(picture);
  if (!HasWhiteBorder(BorderLevels(luma))) drawing.sheet = FindSheet(luma);
  if (drawing.sheet) {
    const cv::Size size = FlatSize(picture.size(), *drawing.sheet);
    picture = Flattened(picture, *drawing.sheet, {0, 0, 1, 1}, size);
    luma = LumaOf(picture);
  }
  drawing.measured = Measure(picture, std::move(luma));
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

// Where a drawing is not to become white: at ink and its soft edges; on white ground everywhere but
// at dirt.
cv::Mat KeptOf(const Measured& measured) {
  cv::Mat kept, dirt;
  cv::dilate(measured.ink, kept, Square(kSoftEdge));
  if (!measured.printed.empty()) kept.setTo(0, measured.printed);
  if (!measured.has_white_ground()) return kept;
  if (measured.dirt.empty()) return cv::Mat(kept.size(), CV_8U, cv::Scalar(kWhite));
  cv::dilate(measured.dirt, dirt, Square(kSoftEdge));
  return kept | ~dirt;
}

// Makes the ink of a cut-out drawing as dark as on white paper, and the ground white.
void Clean(const Measured& measured, cv::Mat& drawing) {
  cv::Mat kept, ground;
  cv::resize(KeptOf(measured)(measured.box), kept, drawing.size(), 0, 0, cv::INTER_NEAREST);
  if (!measured.ground.empty()) {
    cv::resize(measured.ground(measured.box), ground, drawing.size(), 0, 0, cv::INTER_LINEAR);
  }
  // Pixels as light as the threshold become white.
  const float white = measured.ground.empty() ? 1.0F : 255.0F * 255.0F / measured.threshold;
  const auto contrast = static_cast<float>(measured.contrast);
  const bool inverted = measured.inverted && !measured.is_coloured;
  // Tone is dark on light already.
  if (measured.is_coloured) cv::cvtColor(measured.tone.Of(drawing), drawing, cv::COLOR_GRAY2RGB);
  for (int y = 0; y < drawing.rows; ++y) {
    auto* pixel = drawing.ptr<cv::Vec3b>(y);
    for (int x = 0; x < drawing.cols; ++x) {
      if (kept.at<uint8_t>(y, x) == 0) {
        pixel[x] = cv::Vec3b::all(kWhite);
        continue;
      }
      const float scale = ground.empty() ? white : white / ground.at<uint8_t>(y, x);
      for (int channel = 0; channel < Image::kChannels; ++channel) {
        const int level = inverted ? kWhite - pixel[x][channel] : pixel[x][channel];
        const float ink = (kWhite - scale * static_cast<float>(level)) * contrast;
        pixel[x][channel] = static_cast<uint8_t>(std::clamp(255.5F - ink, 0.0F, 255.0F));
      }
    }
  }
}

// A white square around a picture.
Image Centred(const cv::Mat& picture) {
  Image part(picture.cols, picture.rows);
  picture.copyTo(PixelsOf(part));
  return WhiteSquareAround(part, 0, 0, part.width(), part.height());
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
  if (measured.is_clean() && !drawing.sheet) {
    const cv::Rect box = Scaled(measured.box, measured.ink.size(), {image.width(), image.height()});
    return WhiteSquareAround(image, box.x, box.y, box.width, box.height);
  }
  cv::Mat cut = CutOut(drawing);
  if (!measured.is_clean()) {
    // A part of the picture is not to be changed where it lies.
    if (!drawing.sheet) cut = cut.clone();
    Clean(measured, cut);
  }
  return Centred(cut);
}

}  // namespace s2p
