#include "image/oriented_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace s2p::test {
namespace {

using testing::ElementsAreArray;

// The red samples of the shown picture. The stored one is
//   1 2 3
//   4 5 6
std::vector<int> Shown(int orientation, int whole_channels) {
  constexpr int kWidth = 3, kHeight = 2;
  std::vector<uint8_t> area(kWidth * kHeight * 4, 0);
  OrientedRows rows(kWidth, kHeight, orientation, area.data());
  uint8_t* whole = whole_channels == 0 ? nullptr : rows.Whole(whole_channels);
  for (int y = 0; y < kHeight; ++y) {
    const int channels = whole == nullptr ? 3 : whole_channels;
    uint8_t* row = whole == nullptr ? rows.row(y) : whole + y * kWidth * channels;
    for (int x = 0; x < kWidth; ++x) {
      row[x * channels] = static_cast<uint8_t>(y * kWidth + x + 1);
      if (channels == 4) row[x * channels + 3] = 255;
    }
    if (whole == nullptr) rows.Finish(y);
  }
  if (whole != nullptr) rows.FinishWhole(whole_channels);
  std::vector<int> red;
  for (int i = 0; i < kWidth * kHeight; ++i) red.push_back(area[static_cast<size_t>(i) * 3]);
  return red;
}

// EXIF 2.32, 4.6.4: where row 0 and column 0 of the stored picture are shown.
const std::vector<int> kShown[] = {
    {1, 2, 3, 4, 5, 6},  // 1: top, left
    {3, 2, 1, 6, 5, 4},  // 2: top, right
    {6, 5, 4, 3, 2, 1},  // 3: bottom, right
    {4, 5, 6, 1, 2, 3},  // 4: bottom, left
    {1, 4, 2, 5, 3, 6},  // 5: left, top
    {4, 1, 5, 2, 6, 3},  // 6: right, top
    {6, 3, 5, 2, 4, 1},  // 7: right, bottom
    {3, 6, 2, 5, 1, 4},  // 8: left, bottom
};

TEST(OrientedRowsTest, RowsGoWhereExifShowsThem) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_THAT(Shown(orientation, 0), ElementsAreArray(kShown[orientation - 1])) << orientation;
  }
}

TEST(OrientedRowsTest, WholePictureIsShownLikeItsRows) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const int channels : {3, 4}) {
      EXPECT_THAT(Shown(orientation, channels), ElementsAreArray(kShown[orientation - 1]))
          << orientation << ", " << channels;
    }
  }
}

TEST(OrientedRowsTest, TransparentPixelsOfAWholePictureBecomeWhiteInPlace) {
  std::vector<uint8_t> area = {9, 9, 9, 0, 10, 20, 30, 255, 0, 0, 0, 51, 7, 7, 7, 0};
  OrientedRows rows(2, 2, 1, area.data());
  ASSERT_EQ(rows.Whole(4), area.data());
  rows.FinishWhole(4);
  area.resize(12);
  EXPECT_THAT(area, ElementsAreArray({255, 255, 255, 10, 20, 30, 204, 204, 204, 255, 255, 255}));
}

}  // namespace
}  // namespace s2p::test
