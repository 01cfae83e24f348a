#include "image/ground.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <random>

#include "image/preprocessor.h"
#include "image/strokes.h"

namespace s2p {
namespace {

constexpr int kSide = 256;

// A pair of crossed lines and a circle, drawn with a pen of three pixels between 60 and 200.
Image Drawing(int side = kSide) {
  Strokes strokes;
  strokes.width = strokes.height = kSide;
  Stroke circle, line;
  circle.width = line.width = 3;
  for (int i = 0; i <= 64; ++i) {
    const float angle = static_cast<float>(i) * 6.2831853F / 64;
    circle.points.push_back({130 + 60 * std::cos(angle), 120 + 45 * std::sin(angle), 0});
  }
  line.points = {{70, 60, 0}, {190, 170, 0}};
  strokes.strokes = {circle, line};
  const Image drawing = *RasterizeStrokes(strokes);
  return side == kSide ? drawing : Resize(drawing, side, side);
}

// Each pixel of `image` as `change` makes it.
Image Changed(Image image, const std::function<double(int x, int y, double value)>& change) {
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width() * Image::kChannels; ++x) {
      const double value = change(x / Image::kChannels, y, image.row(y)[x]);
      image.row(y)[x] = static_cast<uint8_t>(std::clamp(std::lround(value), 0L, 255L));
    }
  }
  return image;
}

double MeanDifference(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels().size(); ++i) {
    sum += std::abs(static_cast<int>(a.pixels()[i]) - static_cast<int>(b.pixels()[i]));
  }
  return sum / static_cast<double>(a.pixels().size());
}

// The result for a drawing, at 96 pixels.
Image Fitted(const Image& drawn) { return Resize(FitToMeasuredInk(drawn), 96, 96); }
Image Clean() { return Resize(FitToInk(Drawing()), 96, 96); }

// A cut that is off by a sixteenth differs by 9 from the clean drawing, the whole picture by 12.
constexpr double kNearly = 3;

TEST(FitToMeasuredInkTest, IsFitToInkOnWhiteGround) {
  const Image fitted = FitToMeasuredInk(Drawing()), plain = FitToInk(Drawing());
  EXPECT_EQ(fitted.pixels(), plain.pixels());
  EXPECT_EQ(fitted.width(), plain.width());
}

TEST(FitToMeasuredInkTest, PlainFitTakesTheWholePictureWhereThisDoesNot) {
  const Image grey = Changed(Drawing(), [](int, int, double v) { return v * 0.8; });
  EXPECT_GT(FitToInk(grey).width(), kSide);
  EXPECT_GT(MeanDifference(Resize(FitToInk(grey), 96, 96), Clean()), 3 * kNearly);
}

TEST(FitToMeasuredInkTest, GreyGroundBecomesWhite) {
  for (const double ground : {0.9, 0.8, 0.6}) {
    const Image grey = Changed(Drawing(), [&](int, int, double v) { return v * ground; });
    EXPECT_LT(MeanDifference(Fitted(grey), Clean()), kNearly) << ground;
  }
}

TEST(FitToMeasuredInkTest, UnevenLightOnPaperBecomesWhite) {
  const Image lit = Changed(Drawing(), [](int x, int y, double v) {
    return v * (0.5 + 0.4 * x / kSide - 0.15 * y / kSide + 0.1);
  });
  EXPECT_LT(MeanDifference(Fitted(lit), Clean()), kNearly);
}

TEST(FitToMeasuredInkTest, SoftShadowIsNoInk) {
  const Image shaded = Changed(Drawing(), [](int x, int y, double v) {
    const double far = std::hypot(x - 30.0, y - 220.0) / 60;
    return v * (0.95 - 0.2 * std::exp(-far * far));
  });
  EXPECT_LT(MeanDifference(Fitted(shaded), Clean()), kNearly);
}

TEST(FitToMeasuredInkTest, NoiseOfACameraIsNoInk) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 6);
  const Image noisy =
      Changed(Drawing(), [&](int, int, double v) { return v * 0.75 + noise(random); });
  // The noise itself remains.
  EXPECT_LT(MeanDifference(Fitted(noisy), Clean()), 1.5 * kNearly);
}

TEST(FitToMeasuredInkTest, SpecksDoNotWidenTheCut) {
  Image specked = Drawing();
  for (const auto& [x, y] : {std::pair(3, 4), {250, 9}, {12, 251}, {200, 240}}) {
    for (int i = 0; i < 2; ++i) std::fill_n(specked.row(y + i) + 3 * x, 6, uint8_t{30});
  }
  EXPECT_EQ(FitToMeasuredInk(specked).pixels(), FitToInk(Drawing()).pixels());
}

TEST(FitToMeasuredInkTest, SpecksAloneAreTheDrawing) {
  Image dots(kSide, kSide, 255);
  std::fill_n(dots.row(100) + 300, 6, uint8_t{0});
  std::fill_n(dots.row(140) + 420, 6, uint8_t{0});
  EXPECT_EQ(FitToMeasuredInk(dots).pixels(), FitToInk(dots).pixels());
}

TEST(FitToMeasuredInkTest, LightInkOnADarkGroundIsInverted) {
  const Image negative = Changed(Drawing(), [](int, int, double v) { return 255 - v; });
  EXPECT_EQ(FitToMeasuredInk(negative).pixels(), FitToInk(Drawing()).pixels());
  const Image board = Changed(Drawing(), [](int, int, double v) { return 50 + (255 - v) * 0.75; });
  // Chalk is not as white as the board is black.
  EXPECT_LT(MeanDifference(Fitted(board), Clean()), 2 * kNearly);
}

// The gaps between white strokes are as narrow as strokes, and black.
TEST(FitToMeasuredInkTest, DenselyDrawnNegativeIsInverted) {
  Image hatched(kSide, kSide, 255);
  for (int y = 60; y < 180; ++y) {
    for (int x = 70; x < 200; ++x) {
      if (x % 6 < 4) std::fill_n(hatched.row(y) + 3 * x, 3, uint8_t{0});
    }
  }
  const Image negative = Changed(hatched, [](int, int, double v) { return 255 - v; });
  EXPECT_EQ(FitToMeasuredInk(negative).pixels(), FitToInk(hatched).pixels());
}

TEST(FitToMeasuredInkTest, DarkInkOnADarkGroundIsNotInverted) {
  const Image dim = Changed(Drawing(), [](int, int, double v) { return v * 0.4; });
  EXPECT_LT(MeanDifference(Fitted(dim), Clean()), kNearly);
}

// Wider than the cells of the ground, and cut by the border.
TEST(FitToMeasuredInkTest, FilledPartIsInkOnAGreyGroundToo) {
  Image filled = Drawing();
  for (int y = 90; y < 200; ++y) std::fill_n(filled.row(y) + 3 * 60, 3 * 100, uint8_t{20});
  const Image grey = Changed(filled, [](int, int, double v) { return v * 0.75; });
  EXPECT_LT(MeanDifference(Fitted(grey), Resize(FitToInk(filled), 96, 96)), kNearly);
}

TEST(FitToMeasuredInkTest, LargeScanIsCutAsTheSmallOne) {
  const Image scan = Drawing(2048);
  const Image fitted = FitToMeasuredInk(scan), plain = FitToInk(scan);
  // A pixel of the copy that is measured, on each side.
  EXPECT_NEAR(fitted.width(), plain.width(), 2 * 2048 / 512 + 2);
  EXPECT_LT(MeanDifference(Fitted(scan), Resize(plain, 96, 96)), kNearly);
}

TEST(FitToMeasuredInkTest, GroundWithoutInkIsUnchanged) {
  for (const int level : {255, 240, 128, 30}) {
    const Image ground(kSide, 40, static_cast<uint8_t>(level));
    EXPECT_EQ(FitToMeasuredInk(ground).pixels(), ground.pixels()) << level;
  }
}

TEST(FitToMeasuredInkTest, TinyPicturesAreTaken) {
  for (const int side : {1, 2, 3, 7, 17}) {
    for (const int level : {0, 100, 255}) {
      EXPECT_GE(FitToMeasuredInk(Image(side, 1, static_cast<uint8_t>(level))).width(), 1);
      EXPECT_GE(FitToMeasuredInk(Image(side, side, static_cast<uint8_t>(level))).width(), 1);
    }
  }
}

TEST(HasInkTest, DrawingHasInkOnAnyGround) {
  EXPECT_TRUE(HasInk(Drawing()));
  EXPECT_TRUE(HasInk(Changed(Drawing(), [](int, int, double v) { return 255 - v; })));
  EXPECT_TRUE(HasInk(Changed(Drawing(), [](int, int, double v) { return v * 0.6; })));
}

TEST(HasInkTest, SheetOfOneToneHasNone) {
  for (const int side : {1, 8, kSide}) {
    for (const int level : {0, 100, 240, 255}) {
      EXPECT_FALSE(HasInk(Image(side, side, static_cast<uint8_t>(level)))) << side << ", " << level;
    }
  }
}

TEST(HasInkTest, PaperInUnevenLightHasNone) {
  const Image paper = Changed(Image(kSide, kSide),
                              [](int x, int, double v) { return v * (0.7 + 0.2 * x / kSide); });
  EXPECT_FALSE(HasInk(paper));
}

TEST(HasInkTest, LinesTooFaintForThePreprocessorAreNone) {
  EXPECT_FALSE(HasInk(Changed(Drawing(), [](int, int, double v) { return 240 + v / 17; })));
}

TEST(FitToMeasuredInkTest, PreprocessorMeasuresTheGroundWhereTheManifestSaysSo) {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(96);
  preprocessing.set_width(96);
  preprocessing.set_filter(v1::RESIZE_FILTER_BILINEAR);
  preprocessing.set_fit(true);
  for (int channel = 0; channel < Image::kChannels; ++channel) {
    preprocessing.add_mean(0.5F);
    preprocessing.add_std(0.5F);
  }
  const Image grey = Changed(Drawing(), [](int, int, double v) { return v * 0.8; });
  EXPECT_EQ(Preprocessor::Create(preprocessing)->Prepare(grey).pixels(),
            Resize(FitToInk(grey), 96, 96).pixels());
  preprocessing.set_measured_ground(true);
  EXPECT_EQ(Preprocessor::Create(preprocessing)->Prepare(grey).pixels(), Fitted(grey).pixels());
}

}  // namespace
}  // namespace s2p
