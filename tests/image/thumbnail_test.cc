#include "image/thumbnail.h"

#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;

// The header of the thumbnail of an image of this size.
ImageHeader HeaderOf(int width, int height) {
  const auto thumbnail = MakeThumbnail(Image(width, height, 90));
  EXPECT_THAT(thumbnail, IsOk());
  const auto header = ReadImageHeader(*thumbnail);
  EXPECT_THAT(header, IsOk());
  EXPECT_EQ(header->format, ImageFormat::kJpeg);
  return *header;
}

TEST(ThumbnailTest, LongerSideIsReducedTo256) {
  EXPECT_EQ(HeaderOf(600, 300).width, 256);
  EXPECT_EQ(HeaderOf(600, 300).height, 128);
  EXPECT_EQ(HeaderOf(257, 1000).height, 256);
  EXPECT_EQ(HeaderOf(257, 1000).width, 66);
}

TEST(ThumbnailTest, SmallerImageKeepsItsSize) {
  EXPECT_EQ(HeaderOf(256, 20).width, 256);
  EXPECT_EQ(HeaderOf(256, 20).height, 20);
}

TEST(ThumbnailTest, ThinImageKeepsAPixel) { EXPECT_EQ(HeaderOf(4000, 1).height, 1); }

TEST(ThumbnailTest, EmptyImageIsInvalidArgument) {
  EXPECT_THAT(MakeThumbnail(Image()), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace s2p
