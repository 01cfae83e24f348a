#include "image/image.h"

#include <gtest/gtest.h>

#include <utility>

namespace s2p::test {
namespace {

TEST(ImageTest, CopyHasPixelsOfItsOwn) {
  const Image image(3, 2, 7);
  Image copy = image;
  copy.row(1)[0] = 9;
  EXPECT_EQ(image.row(1)[0], 7);
  EXPECT_EQ(copy.pixels().size(), 18);
  EXPECT_EQ(copy.row(0)[0], 7);
}

TEST(ImageTest, ImageThatWasMovedFromIsEmpty) {
  Image image(3, 2);
  const Image moved = std::move(image);
  EXPECT_TRUE(image.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(image.width(), 0);
  EXPECT_EQ(moved.height(), 2);
}

TEST(ImageTest, TakenOverMemoryIsFreedOnceByItsOwnFunction) {
  uint8_t pixels[3] = {1, 2, 3};
  int freed = 0;
  {
    Image image(1, 1, PixelMemory(pixels, [&freed](uint8_t*) { ++freed; }));
    Image other(2, 2);
    other = std::move(image);
    EXPECT_EQ(other.row(0)[2], 3);
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}

TEST(ImageTest, ImageWithoutPixelsIsEmpty) {
  EXPECT_TRUE(Image().empty());
  const Image flat(5, 0);
  EXPECT_TRUE(flat.empty());
  EXPECT_EQ(Image(flat).width(), 5);
}

}  // namespace
}  // namespace s2p::test
