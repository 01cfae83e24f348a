#include "client/montage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "image/image.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

std::string Png(uint8_t grey, int width = 20, int height = 10) {
  return *EncodePng(Image(width, height, grey));
}

Image Draw(const std::vector<MontageRow>& rows) {
  const auto png = DrawMontage(rows);
  EXPECT_THAT(png, IsOk());
  return *DecodeImage(*png);
}

int CountPixels(const Image& image, uint8_t red, uint8_t green, uint8_t blue) {
  int count = 0;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      const uint8_t* pixel = image.row(y) + 3 * x;
      count += pixel[0] == red && pixel[1] == green && pixel[2] == blue ? 1 : 0;
    }
  }
  return count;
}

TEST(MontageTest, ImagesAreEnlargedWithoutDistortion) {
  const Image picture = Draw({{{Png(100)}, {}}});
  EXPECT_EQ(CountPixels(picture, 100, 100, 100), 132 * 66)
      << "20 x 10 fills the width and half the height of a cell";
}

TEST(MontageTest, OnlyCorrectMatchesHaveAGreenFrame) {
  const MontageCell wrong{Png(0), "1", "a"};
  const MontageCell right{Png(0), "1", "a", /*correct=*/true};
  EXPECT_EQ(CountPixels(Draw({{{Png(0)}, {wrong}}}), 40, 160, 70), 0);
  EXPECT_GT(CountPixels(Draw({{{Png(0)}, {right}}}), 40, 160, 70), 132 * 4);
}

TEST(MontageTest, EachMatchAddsAColumnAndEachQueryARow) {
  const MontageRow row{{Png(0)}, {{Png(0)}, {Png(0)}}};
  const Image one = Draw({{{Png(0)}, {{Png(0)}}}}), more = Draw({row, row});
  EXPECT_EQ(more.width() - one.width(), 142);
  EXPECT_GT(more.height(), 2 * one.height() - 20);
}

TEST(MontageTest, ImageThatCannotBeDecodedIsNamed) {
  const auto png = DrawMontage({{{Png(0)}, {{Png(0)}, {"no image"}}}});
  EXPECT_THAT(png, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("row 1, match 2")));
}

TEST(MontageTest, ImageOfAnAbsurdSizeIsNamedInOurWords) {
  // The header of a PNG of 70,000 x 70,000 pixels.
  const std::string huge(
      "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\x01\x11\x70\0\x01\x11\x70\x08\x02\0\0\0\xb0\x5c\xa3\x9c"
      "\0\0\0\0IDAT\x35\xaf\x06\x1e",
      45);
  const auto png = DrawMontage({{{huge}, {}}});
  EXPECT_THAT(png, StatusIs(absl::StatusCode::kInvalidArgument,
                            "row 1, query: the image cannot be decoded"));
}

TEST(MontageTest, NoRowsIsRefused) {
  EXPECT_THAT(DrawMontage({}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace s2p
