#include "image/shown_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/image/painted.h"

namespace s2p::test {
namespace {

using testing::Each;
using testing::IsEmpty;

uint8_t At(const ShownPart& part, int x, int y) {
  return part.mask[static_cast<size_t>(y) * part.width + x];
}

TEST(ShownPartTest, ConnectedGroundOfTheBordersColourIsNotShown) {
  Image picture = Painted(120, 80, {230, 225, 220});
  PaintBox(picture, 30, 20, 60, 40, {30, 60, 140});
  const ShownPart part = FindShownPart(picture);
  ASSERT_EQ(part.width, 120);
  ASSERT_EQ(part.height, 80);
  EXPECT_EQ(At(part, 5, 5), 0);
  EXPECT_EQ(At(part, 60, 40), 255);
  EXPECT_EQ(std::count(part.mask.begin(), part.mask.end(), 255), 60 * 40);
}

TEST(ShownPartTest, GroundsColourInsideIsShown) {
  Image picture = Painted(120, 80, {255, 255, 255});
  PaintBox(picture, 30, 20, 60, 40, {30, 60, 140});
  PaintBox(picture, 50, 30, 20, 20, {255, 255, 255});
  EXPECT_EQ(At(FindShownPart(picture), 60, 40), 255);
}

TEST(ShownPartTest, PictureOfOneColourHasNoGround) {
  EXPECT_THAT(FindShownPart(Painted(40, 30, {10, 200, 10})).mask, IsEmpty());
}

TEST(ShownPartTest, BorderOfManyColoursIsNoGround) {
  Image picture = Painted(90, 60, {255, 255, 255});
  PaintBox(picture, 0, 0, 30, 60, {200, 0, 0});
  PaintBox(picture, 30, 0, 30, 60, {0, 0, 200});
  EXPECT_THAT(FindShownPart(picture).mask, IsEmpty());
}

TEST(ShownPartTest, SinglePixelIsAPicture) {
  const ShownPart part = FindShownPart(Painted(1, 1, {9, 9, 9}));
  EXPECT_EQ(part.width, 1);
  EXPECT_THAT(part.mask, IsEmpty());
}

}  // namespace
}  // namespace s2p::test
