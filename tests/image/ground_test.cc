#include "image/ground.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "image/preprocessor.h"
#include "tests/image/drawing_samples.h"

namespace s2p {
namespace {

using test::Changed;
using test::Drawing;
using test::MeanDifference;

constexpr int kSide = test::kDrawingPixels;

// The result for a drawing, at 96 pixels.
Image Fitted(const Image& drawn) { return Resize(FitToMeasuredInk(drawn), 96, 96); }
Image Clean() { return Resize(FitToInk(Drawing()), 96, 96); }

// A cut that is off by a sixteenth differs by 9 from the clean drawing, the whole picture by 12.
constexpr double kNearly = 3;
// The sheet is cut out first, and then the drawing, each to a pixel.
constexpr double kTwoCuts = 7;

TEST(FitToMeasuredInkTest, IsFitToInkOnWhiteGround) {
  const Image fitted = FitToMeasuredInk(Drawing()), plain = FitToInk(Drawing());
  EXPECT_EQ(fitted.pixels(), plain.pixels());
  EXPECT_EQ(fitted.width(), plain.width());
}

TEST(FitToMeasuredInkTest, ThinDrawingIsReducedBeforeItsSquareIsMade) {
  Image drawn(12000, 600);
  for (int y = 250; y < 350; ++y) std::fill_n(drawn.row(y) + 3 * 300, 3 * 11400, uint8_t{0});
  EXPECT_EQ(FitToMeasuredInk(drawn).width(), 2048 + 2 * 128);
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

TEST(FitToMeasuredInkTest, EdgeOfAShadowIsNoInk) {
  for (const int edge : {60, 128, 170}) {
    const Image shaded = Changed(
        Drawing(), [&](int x, int y, double v) { return v * (x + 0.3 * y < edge ? 0.5 : 0.9); });
    EXPECT_LT(MeanDifference(Fitted(shaded), Clean()), kNearly) << edge;
  }
}

bool IsOnSheet(int x, int y) { return x > 20 && x < 236 && y > 14 && y < 240; }

TEST(FitToMeasuredInkTest, TableAroundASheetIsNoInk) {
  const Image seen =
      Changed(Drawing(), [](int x, int y, double v) { return IsOnSheet(x, y) ? v * 0.85 : 50; });
  EXPECT_LT(MeanDifference(Fitted(seen), Clean()), kTwoCuts);
}

TEST(FitToMeasuredInkTest, SheetWithoutADrawingOnATableHasNoInk) {
  const Image seen =
      Changed(Image(kSide, kSide), [](int x, int y, double) { return IsOnSheet(x, y) ? 210 : 50; });
  EXPECT_FALSE(HasInk(seen));
  EXPECT_EQ(FitToMeasuredInk(seen).pixels(), seen.pixels());
}

// The pale blue lines of a writing pad, or squares.
Image Ruled(const Image& drawn, bool squares) {
  return Changed(drawn, [&](int x, int y, double v) {
    return y % 12 == 5 || (squares && x % 12 == 5) ? v * 0.75 : v;
  });
}

TEST(FitToMeasuredInkTest, PrintedLinesAreNoInk) {
  for (const bool squares : {false, true}) {
    EXPECT_LT(MeanDifference(Fitted(Ruled(Drawing(), squares)), Clean()), kNearly) << squares;
  }
}

TEST(FitToMeasuredInkTest, PrintedLinesInAShadowAreNoInk) {
  const Image shaded = Changed(Ruled(Drawing(), false),
                               [](int x, int, double v) { return v * (x < 120 ? 0.6 : 0.95); });
  EXPECT_LT(MeanDifference(Fitted(shaded), Clean()), kNearly);
}

TEST(HasInkTest, RuledPaperHasNone) {
  EXPECT_FALSE(HasInk(Ruled(Image(kSide, kSide), false)));
  EXPECT_FALSE(HasInk(Ruled(Image(kSide, kSide), true)));
}

TEST(FitToMeasuredInkTest, ColouredPensAreInk) {
  for (const auto& [channel, ground] : {std::pair(0, 1.0), {1, 0.8}, {2, 0.8}}) {
    Image pen = Changed(Drawing(), [&](int, int, double v) { return v * ground; });
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        uint8_t& value = pen.row(y)[x * Image::kChannels + channel];
        value = static_cast<uint8_t>(255 * ground - (255 * ground - value) * 0.6);
      }
    }
    // The places of the ink are compared, not its colours.
    EXPECT_LT(MeanDifference(ToGrey(Fitted(pen)), Clean()), 2 * kNearly) << channel;
  }
}

// The drawing in an ink that reflects these shares of the light, on a ground of these shares.
Image InColour(const std::array<double, 3>& ink, const std::array<double, 3>& ground) {
  Image coloured = Drawing();
  for (int y = 0; y < kSide; ++y) {
    for (int i = 0; i < kSide * Image::kChannels; ++i) {
      uint8_t& value = coloured.row(y)[i];
      const auto channel = static_cast<size_t>(i % Image::kChannels);
      const double covered = (255 - value) / 255.0;
      value = static_cast<uint8_t>(
          std::lround(255 * ground[channel] * (1 - covered * (1 - ink[channel]))));
    }
  }
  return coloured;
}

constexpr std::array<std::array<double, 3>, 4> kPens = {
    {{0.8, 0.1, 0.1}, {0.1, 0.2, 0.8}, {0.1, 0.6, 0.2}, {0.9, 0.5, 0.1}}};

TEST(FitToMeasuredInkTest, ColouredPensAreAsDarkAsAPencil) {
  for (const double ground : {1.0, 0.8}) {
    for (const auto& pen : kPens) {
      const Image fitted = Fitted(InColour(pen, {ground, ground, ground}));
      EXPECT_LT(MeanDifference(fitted, Clean()), kNearly) << ground << ", " << pen[0];
      EXPECT_EQ(fitted.pixels(), ToGrey(fitted).pixels());
    }
  }
}

TEST(FitToMeasuredInkTest, ColouredPenIsCutAsAPencil) {
  for (const auto& pen : kPens) {
    EXPECT_NEAR(FitToMeasuredInk(InColour(pen, {1, 1, 1})).width(), FitToInk(Drawing()).width(), 2);
  }
}

TEST(FitToMeasuredInkTest, ColouredPaperBecomesWhite) {
  for (const auto& paper : {std::array{0.8, 0.2, 0.2}, {1.0, 0.95, 0.6}, {0.6, 0.75, 0.9}}) {
    EXPECT_LT(MeanDifference(Fitted(InColour({0, 0, 0}, paper)), Clean()), kNearly) << paper[0];
  }
}

TEST(FitToMeasuredInkTest, LargeScanInColourIsAsLargeAsTheCanvas) {
  const Image scan = Resize(InColour(kPens[3], {1, 1, 1}), 2048, 2048);
  EXPECT_LE(FitToMeasuredInk(scan).width(), 512 * 9 / 8);
  EXPECT_LT(MeanDifference(Fitted(scan), Resize(FitToInk(Drawing(2048)), 96, 96)), kNearly);
}

TEST(FitToMeasuredInkTest, DrawingInACornerFillsTheSquare) {
  for (const double ground : {1.0, 0.8}) {
    Image sheet(1000, 800);
    const Image small = Drawing();
    for (int y = 0; y < kSide; ++y) {
      std::copy_n(small.row(y), kSide * Image::kChannels,
                  sheet.row(530 + y) + 730 * Image::kChannels);
    }
    sheet = Changed(std::move(sheet), [&](int, int, double v) { return v * ground; });
    const Image fitted = FitToMeasuredInk(sheet);
    EXPECT_NEAR(fitted.width(), FitToInk(small).width(), 6) << ground;
  }
}

TEST(FitToMeasuredInkTest, LongAndThinPicturesAreTaken) {
  for (const int level : {255, 200, 40}) {
    Image strip(9000, 3, static_cast<uint8_t>(level));
    std::fill_n(strip.row(1) + 3 * 4000, 3 * 900, uint8_t{120});
    const Image fitted = FitToMeasuredInk(strip);
    EXPECT_FALSE(fitted.empty()) << level;
  }
}

TEST(FitToMeasuredInkTest, SameDrawingGivesTheSamePixels) {
  const Image lit =
      Changed(Drawing(600), [](int x, int, double v) { return v * (0.5 + 0.4 * x / 600); });
  EXPECT_EQ(FitToMeasuredInk(lit).pixels(), FitToMeasuredInk(lit).pixels());
}

TEST(FitToMeasuredInkTest, NoiseOfACameraIsNoInk) {
  std::mt19937 random(1);
  std::normal_distribution<double> noise(0, 6);
  const Image noisy =
      Changed(Drawing(), [&](int, int, double v) { return v * 0.75 + noise(random); });
  EXPECT_LT(MeanDifference(Fitted(noisy), Clean()), kNearly);
}

Image Specked(Image drawn, const std::vector<std::pair<int, int>>& places, int width, int height) {
  for (const auto& [x, y] : places) {
    for (int i = 0; i < height; ++i) std::fill_n(drawn.row(y + i) + 3 * x, 3 * width, uint8_t{30});
  }
  return drawn;
}

TEST(FitToMeasuredInkTest, SpecksDoNotWidenTheCut) {
  const Image specked = Specked(Drawing(), {{3, 4}, {250, 9}, {12, 251}, {200, 240}}, 6, 2);
  EXPECT_EQ(FitToMeasuredInk(specked).pixels(), FitToInk(Drawing()).pixels());
}

TEST(FitToMeasuredInkTest, SpecksOnDirtyPaperAreWipedOff) {
  const Image specked = Specked(Drawing(), {{3, 4}, {150, 100}, {110, 140}, {12, 251}}, 6, 2);
  EXPECT_EQ(FitToMeasuredInk(specked).pixels(), FitToInk(Drawing()).pixels());
}

TEST(FitToMeasuredInkTest, SpecksOnDirtyGreyPaperAreWipedOff) {
  const Image specked = Specked(Drawing(), {{13, 24}, {150, 100}, {110, 140}, {22, 231}}, 6, 2);
  const Image grey = Changed(specked, [](int, int, double v) { return v * 0.8; });
  EXPECT_EQ(
      FitToMeasuredInk(grey).pixels(),
      FitToMeasuredInk(Changed(Drawing(), [](int, int, double v) { return v * 0.8; })).pixels());
}

TEST(FitToMeasuredInkTest, SingleDarkPixelsAreWipedOff) {
  const Image specked = Specked(Drawing(), {{150, 100}, {110, 140}, {12, 251}}, 1, 1);
  EXPECT_EQ(FitToMeasuredInk(specked).pixels(), FitToInk(Drawing()).pixels());
}

TEST(FitToMeasuredInkTest, DotsOfADrawingStay) {
  const Image dotted = Specked(Drawing(), {{150, 100}, {110, 140}}, 6, 2);
  EXPECT_EQ(FitToMeasuredInk(dotted).pixels(), FitToInk(dotted).pixels());
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

// Thin lines with wider gaps, as a pen leaves them.
TEST(FitToMeasuredInkTest, ThinLinesNextToEachOtherAreInverted) {
  Image lines(kSide, kSide, 255);
  for (int y = 60; y < 180; ++y) {
    for (int x = 70; x < 200; ++x) {
      if (x % 9 == 0) std::fill_n(lines.row(y) + 3 * x, 3, uint8_t{0});
    }
  }
  const Image negative = Changed(lines, [](int, int, double v) { return 255 - v; });
  EXPECT_EQ(FitToMeasuredInk(negative).pixels(), FitToInk(lines).pixels());
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
