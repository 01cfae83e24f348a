#include "trainer/data/facing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

namespace s2p::test {
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

std::optional<double> ShareOf(const std::vector<Image>& photos,
                              const std::vector<int>& identities) {
  return MirroredShare(identities,
                       [&](int i) -> const Image& { return photos[static_cast<size_t>(i)]; });
}

std::vector<int> EachItsOwn(int count) {
  std::vector<int> identities(static_cast<size_t>(count));
  std::iota(identities.begin(), identities.end(), 0);
  return identities;
}

// Every `period`-th shoe is mirrored; none for 0.
std::optional<double> ShareOf(int count, int period) {
  std::vector<Image> photos;
  for (int i = 0; i < count; ++i) photos.push_back(Shoe(i, period > 0 && i % period == 0));
  return ShareOf(photos, EachItsOwn(count));
}

TEST(MirroredShareTest, ShoesThatFaceOneWayHaveNone) { EXPECT_EQ(ShareOf(60, 0), 0); }

TEST(MirroredShareTest, BothWaysAsCommonIsBothWays) {
  EXPECT_GT(ShareOf(60, 2), kBothWaysShare);
  EXPECT_LT(ShareOf(60, 2), 0.9);
}

TEST(MirroredShareTest, AFewThatFaceTheOtherWayAreNotBothWays) {
  for (const int period : {20, 10}) {
    EXPECT_GT(ShareOf(60, period), 0) << period;
    EXPECT_LT(ShareOf(60, period), kBothWaysShare) << period;
  }
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
  EXPECT_GE(ShareOf(photos, EachItsOwn(40)), kBothWaysShare);
}

// Two photos of one shoe look alike whichever way the others face.
TEST(MirroredShareTest, PhotosOfOneIdentityAreNotCompared) {
  std::vector<Image> photos;
  std::vector<int> identities;
  for (int i = 0; i < 60; ++i) {
    photos.push_back(Shoe(i / 2, i / 2 % 2 == 0));
    identities.push_back(i / 2);
  }
  EXPECT_EQ(ShareOf(photos, EachItsOwn(60)), 0);
  EXPECT_GT(ShareOf(photos, identities), kBothWaysShare);
  EXPECT_EQ(ShareOf(photos, std::vector<int>(60, 1)), 0);
}

TEST(MirroredShareTest, TooFewPhotosSayNothing) {
  EXPECT_EQ(ShareOf(0, 2), std::nullopt);
  EXPECT_EQ(ShareOf(kFewestToTellFacing - 1, 2), std::nullopt);
  EXPECT_TRUE(ShareOf(kFewestToTellFacing, 2).has_value());
}

TEST(MirroredShareTest, OfManyPhotosAThousandAreLookedAtEvenlySpread) {
  const Image image = Shoe(1, false);
  std::vector<int> looked_at;
  MirroredShare(std::vector<int>(100'000, 1), [&](int i) -> const Image& {
    looked_at.push_back(i);
    return image;
  });
  ASSERT_EQ(looked_at.size(), 1000u);
  for (size_t i = 0; i < looked_at.size(); ++i) {
    EXPECT_EQ(looked_at[i] / 100, static_cast<int>(i));
  }
}

TEST(MirroredShareTest, OfPhotosThatTakeTurnsBothKindsAreLookedAt) {
  const Image image = Shoe(1, false);
  int odd = 0;
  MirroredShare(std::vector<int>(2 * kMostToTellFacing, 1), [&](int i) -> const Image& {
    odd += i % 2;
    return image;
  });
  EXPECT_GT(odd, 0.4 * kMostToTellFacing);
  EXPECT_LT(odd, 0.6 * kMostToTellFacing);
}

}  // namespace
}  // namespace s2p::test
