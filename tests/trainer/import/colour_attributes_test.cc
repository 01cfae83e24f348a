#include "trainer/import/colour_attributes.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

TEST(ColourAttributesTest, ColoursAreColoursInTheirOwnDataSet) {
  EXPECT_TRUE(IsColourAttribute("market-1501", "upblack"));
  EXPECT_TRUE(IsColourAttribute("market-1501", "downbrown"));
  EXPECT_TRUE(IsColourAttribute("celeba", "Gray_Hair"));
  EXPECT_FALSE(IsColourAttribute("celeba", "upblack"));
}

TEST(ColourAttributesTest, ShapesAreNoColours) {
  EXPECT_FALSE(IsColourAttribute("market-1501", "up"));
  EXPECT_FALSE(IsColourAttribute("celeba", "Straight_Hair"));
  EXPECT_FALSE(IsColourAttribute("ut-zap50k", "Category.Boots"));
}

}  // namespace
}  // namespace s2p
