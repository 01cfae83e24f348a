#include "server/feedback/kept_sketch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/preprocessor.h"
#include "tests/server/feedback/drawings.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

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
