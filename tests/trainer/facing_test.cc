#include "trainer/facing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace s2p::testing {
namespace {

// A dark shoe on white: a sole, and a shaft at the heel, which is on the right. Sizes depend on the
// number.
Image Shoe(int number, bool mirrored) {
  constexpr int kWidth = 50, kHeight = 40;
  Image image(kWidth, kHeight);
  const int shaft = 8 + number % 7;
  const int sole = 6 + number % 5;
  for (int y = 0; y < kHeight; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const bool dark = (y >= kHeight - sole && x >= 4) || (x >= kWidth - shaft && y >= number % 9);
      uint8_t* pixel = image.row(y) + Image::kChannels * (mirrored ? kWidth - 1 - x : x);
      for (int c = 0; c < Image::kChannels; ++c) pixel[c] = dark ? 40 : 255;
    }
  }
  return image;
}

// Every `period`-th shoe is mirrored; none for 0.
double ShareOf(int count, int period) {
  std::vector<Image> photos;
  for (int i = 0; i < count; ++i) photos.push_back(Shoe(i, period > 0 && i % period == 0));
  return MirroredShare(count, [&](int i) -> const Image& { return photos[i]; });
}

TEST(MirroredShareTest, ShoesThatFaceOneWayHaveNone) { EXPECT_EQ(ShareOf(60, 0), 0); }

TEST(MirroredShareTest, BothWaysAsCommonIsBothWays) {
  EXPECT_GT(ShareOf(60, 2), kBothWays);
  EXPECT_LT(ShareOf(60, 2), 0.9);
}

TEST(MirroredShareTest, AFewThatFaceTheOtherWayAreNotBothWays) {
  EXPECT_GT(ShareOf(60, 20), 0);
  EXPECT_LT(ShareOf(60, 20), kBothWays);
}

TEST(MirroredShareTest, SymmetricThingsAreBothWays) {
  std::vector<Image> photos;
  for (int i = 0; i < 40; ++i) {
    // Each a little off its mirror image, to either side.
    Image image(32, 32);
    const int width = 5 + i % 7;
    const int left = 16 - width + std::vector<int>{-2, 1, 2, -1, 1}[static_cast<size_t>(i % 5)];
    for (int y = 0; y < 32; ++y) {
      uint8_t* row = image.row(y);
      std::fill_n(row, 32 * Image::kChannels, uint8_t{255});
      std::fill_n(row + left * Image::kChannels, 2 * width * Image::kChannels, uint8_t{30});
    }
    photos.push_back(image);
  }
  EXPECT_GE(MirroredShare(40, [&](int i) -> const Image& { return photos[i]; }), kBothWays);
}

TEST(MirroredShareTest, TooFewPhotosSayNothing) {
  EXPECT_EQ(ShareOf(0, 2), 0);
  EXPECT_EQ(ShareOf(7, 2), 0);
}

TEST(MirroredShareTest, OfManyPhotosAThousandAreLookedAt) {
  std::vector<Image> photos;
  for (int i = 0; i < 12; ++i) photos.push_back(Shoe(i, i % 2 == 0));
  int looked_at = 0;
  const auto photo = [&](int i) -> const Image& {
    EXPECT_LT(i, 1'000'000);
    ++looked_at;
    return photos[i % 12];
  };
  MirroredShare(1'000'000, photo);
  EXPECT_EQ(looked_at, 1000);
}

}  // namespace
}  // namespace s2p::testing
