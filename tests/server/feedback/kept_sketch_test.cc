#include "server/feedback/kept_sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/preprocessor.h"
#include "tests/server/feedback/drawings.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(KeptSketchTest, PixelsComeBackFromThePng) {
  const Image drawing = DrawingOf(1);
  const auto kept = KeepSketch(drawing);
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->width, 64);
  EXPECT_EQ(kept->height, 64);
  EXPECT_EQ(DecodeImage(kept->png)->pixels(), drawing.pixels());
}

TEST(KeptSketchTest, LargeDrawingIsReducedToTheMostPixels) {
  const auto kept = KeepSketch(Resize(DrawingOf(1), 3000, 1500));
  ASSERT_THAT(kept, IsOk());
  EXPECT_EQ(kept->width, kMostSketchPixels);
  EXPECT_EQ(kept->height, kMostSketchPixels / 2);
}

// The drawing, with noise of up to `levels` in each value, as a camera adds it.
Image WithNoise(Image drawing, uint32_t levels) {
  uint32_t state = 1;
  for (int y = 0; y < drawing.height(); ++y) {
    for (int i = 0; i < drawing.width() * Image::kChannels; ++i) {
      state = state * 1664525u + 1013904223u;
      const uint32_t noise = (state >> 16) % levels;
      drawing.row(y)[i] = static_cast<uint8_t>(drawing.row(y)[i] * (256 - levels) / 256 + noise);
    }
  }
  return drawing;
}

TEST(KeptSketchTest, NoisyPhotographIsReducedUntilItIsSmallEnough) {
  const auto kept = KeepSketch(WithNoise(Resize(DrawingOf(1), 1024, 768), 24));
  ASSERT_THAT(kept, IsOk());
  EXPECT_LE(kept->png.size(), kMostSketchBytes);
  EXPECT_LT(kept->width, kMostSketchPixels);
  EXPECT_GE(kept->width, 512);
  EXPECT_EQ(kept->height, kept->width * 3 / 4);
  EXPECT_EQ(DecodeImage(kept->png)->width(), kept->width);
}

TEST(KeptSketchTest, NoiseIsRefusedWithARemedy) {
  EXPECT_THAT(KeepSketch(WithNoise(Image(512, 512), 256)),
              StatusIs(absl::StatusCode::kOutOfRange,
                       AllOf(HasSubstr("more than 524288"), HasSubstr("plain ground"))));
}

TEST(KeptSketchTest, DigestTellsDrawingsApart) {
  EXPECT_EQ(KeepSketch(DrawingOf(1))->sha256, KeepSketch(DrawingOf(1))->sha256);
  EXPECT_NE(KeepSketch(DrawingOf(1))->sha256, KeepSketch(DrawingOf(2))->sha256);
}

TEST(KeptSketchTest, BlankSheetIsRefused) {
  for (const int level : {0, 128, 255}) {
    EXPECT_THAT(KeepSketch(Image(300, 200, static_cast<uint8_t>(level))),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is blank")));
  }
}

// A line of one pixel on a sheet of many is gone when it has the size that a network sees.
TEST(KeptSketchTest, InkThatIsGoneAfterReducingIsRefused) {
  Image sheet(4096, 4096);
  for (int i = 0; i < Image::kChannels; ++i) sheet.row(2000)[2000 * 3 + i] = 0;
  EXPECT_THAT(KeepSketch(sheet),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("there is no ink")));
}

}  // namespace
}  // namespace s2p::test
