#include "trainer/data/elastic_field.h"

#include <gmock/gmock.h>

#include <cmath>

namespace s2p {
namespace {

TEST(ElasticFieldTest, PointInTheMiddleOfAPixelMovesAsThePixel) {
  ElasticField field(3, 2, 4, 50, 30);
  for (int y = 0; y < 30; y += 7) {
    field.BeginRow(y);
    for (int x = 0; x < 50; x += 9) {
      EXPECT_DOUBLE_EQ(field.AtPoint(x + 0.5, y + 0.5)[0], field.At(x)[0]);
      EXPECT_DOUBLE_EQ(field.AtPoint(x + 0.5, y + 0.5)[1], field.At(x)[1]);
    }
  }
}

TEST(ElasticFieldTest, NothingMovesFurtherThanTheLargestShift) {
  const ElasticField field(3, 2, 4, 50, 50);
  double largest_x = 0, largest_y = 0;
  for (double y = -10; y < 60; y += 0.7) {
    for (double x = -10; x < 60; x += 0.7) {
      largest_x = std::max(largest_x, std::abs(field.AtPoint(x, y)[0]));
      largest_y = std::max(largest_y, std::abs(field.AtPoint(x, y)[1]));
    }
  }
  EXPECT_LE(largest_x, 2);
  EXPECT_LE(largest_y, 4);
  EXPECT_GT(largest_y, 1);
}

// The area of a small square stays above 0: a point has one place only.
TEST(ElasticFieldTest, NothingFoldsOverBelowATwentiethOfTheSide) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const ElasticField field(seed, 5, 5, 100, 100);
    const auto moved = [&](double x, double y) {
      const auto shift = field.AtPoint(x, y);
      return std::array<double, 2>{x + shift[0], y + shift[1]};
    };
    for (double y = 0; y < 99; y += 1.7) {
      for (double x = 0; x < 99; x += 1.7) {
        const auto a = moved(x, y), right = moved(x + 0.1, y), down = moved(x, y + 0.1);
        EXPECT_GT((right[0] - a[0]) * (down[1] - a[1]) - (right[1] - a[1]) * (down[0] - a[0]), 0);
      }
    }
  }
}

}  // namespace
}  // namespace s2p
