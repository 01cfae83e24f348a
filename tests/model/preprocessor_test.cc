#include "model/preprocessor.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace s2p {
namespace {

constexpr int kSide = 64;

// A black rectangle on white.
Image Drawn(int left, int top, int width, int height) {
  Image image(kSide, kSide, 255);
  for (int y = top; y < top + height; ++y) {
    std::fill_n(image.row(y) + left * Image::kChannels, width * Image::kChannels, uint8_t{0});
  }
  return image;
}

bool IsInk(const Image& image, int x, int y) { return image.row(y)[x * Image::kChannels] < 128; }

Preprocessor Fitting() {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(32);
  preprocessing.set_width(32);
  preprocessing.set_filter(v1::RESIZE_FILTER_BILINEAR);
  preprocessing.set_fit(true);
  for (int channel = 0; channel < Image::kChannels; ++channel) {
    preprocessing.add_mean(0.5f);
    preprocessing.add_std(0.5f);
  }
  return *Preprocessor::Create(preprocessing);
}

TEST(FitToInkTest, InkIsCentredInASquareWithAMarginOfASixteenth) {
  const Image fitted = FitToInk(Drawn(3, 40, 32, 16));
  // 32 and twice 2.
  ASSERT_EQ(fitted.width(), 36);
  ASSERT_EQ(fitted.height(), 36);
  for (int y = 0; y < 36; ++y) {
    for (int x = 0; x < 36; ++x) {
      EXPECT_EQ(IsInk(fitted, x, y), x >= 2 && x < 34 && y >= 10 && y < 26) << x << "," << y;
    }
  }
}

TEST(FitToInkTest, SingleDotIsFound) {
  const Image fitted = FitToInk(Drawn(63, 0, 1, 1));
  ASSERT_EQ(fitted.width(), 3);
  EXPECT_TRUE(IsInk(fitted, 1, 1));
  EXPECT_FALSE(IsInk(fitted, 0, 0));
}

TEST(FitToInkTest, ImageWithoutInkIsUnchanged) {
  // JPEG leaves white ground a few levels below 255.
  const Image ground(kSide, 20, 240);
  EXPECT_EQ(FitToInk(ground).pixels(), ground.pixels());
  EXPECT_EQ(FitToInk(ground).height(), 20);
}

TEST(FitToInkTest, ImageFullOfInkGetsAMargin) {
  const Image fitted = FitToInk(Image(32, 32, 0));
  EXPECT_EQ(fitted.width(), 36);
  EXPECT_FALSE(IsInk(fitted, 0, 0));
  EXPECT_TRUE(IsInk(fitted, 2, 2));
}

TEST(PreprocessorTest, FittingMakesPositionAndSizeIrrelevant) {
  const Preprocessor fitting = Fitting();
  const Image here = fitting.Prepare(Drawn(0, 0, 32, 16));
  EXPECT_EQ(fitting.Prepare(Drawn(20, 41, 32, 16)).pixels(), here.pixels());
  const Image smaller = fitting.Prepare(Drawn(40, 8, 16, 8));
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      EXPECT_NEAR(smaller.row(y)[x * 3], here.row(y)[x * 3], 64) << x << "," << y;
    }
  }
}

TEST(PreprocessorTest, WithoutFittingThePositionMatters) {
  const Image left = Drawn(0, 0, 32, 16), right = Drawn(20, 41, 32, 16);
  EXPECT_NE(Resize(left, 32, 32, v1::RESIZE_FILTER_BILINEAR).pixels(),
            Resize(right, 32, 32, v1::RESIZE_FILTER_BILINEAR).pixels());
}

}  // namespace
}  // namespace s2p
