#include "image/colour.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::StatusIs;
using testing::HasSubstr;

struct Pair {
  Lab one;
  Lab other;
  double difference;
};

// From the test data of Sharma, Wu and Dalal, 2005: blues, greys, hues on both sides of 0 and of
// 180 degrees, large differences, and very dark colours.
constexpr Pair kPublished[] = {
    {{50, 2.6772F, -79.7751F}, {50, 0, -82.7485F}, 2.0425},
    {{50, -1.3802F, -84.2814F}, {50, 0, -82.7485F}, 1.0000},
    {{50, 0, 0}, {50, -1, 2}, 2.3669},
    {{50, 2.4900F, -0.0010F}, {50, -2.4900F, 0.0009F}, 7.1792},
    {{50, 2.4900F, -0.0010F}, {50, -2.4900F, 0.0011F}, 7.2195},
    {{50, 2.5F, 0}, {73, 25, -18}, 27.1492},
    {{50, 2.5F, 0}, {61, -5, 29}, 22.8977},
    {{50, 2.5F, 0}, {56, -27, -3}, 31.9030},
    {{50, 2.5F, 0}, {58, 24, 15}, 19.4535},
    {{60.2574F, -34.0099F, 36.2677F}, {60.4626F, -34.1751F, 39.4387F}, 1.2644},
    {{22.7233F, 20.0904F, -46.6940F}, {23.0331F, 14.9730F, -42.5619F}, 2.0373},
    {{2.0776F, 0.0795F, -1.1350F}, {0.9033F, -0.0636F, -0.5514F}, 0.9082},
};

TEST(ColourTest, DifferencesAreThePublishedOnesInBothDirections) {
  for (const Pair& pair : kPublished) {
    EXPECT_NEAR(ColourDifference(pair.one, pair.other), pair.difference, 1e-4);
    EXPECT_NEAR(ColourDifference(pair.other, pair.one), pair.difference, 1e-4);
  }
}

TEST(ColourTest, BlackAndWhiteDifferByOneHundred) {
  EXPECT_NEAR(ColourDifference(LabOf(0, 0, 0), LabOf(255, 255, 255)), 100, 1e-3);
}

TEST(ColourTest, ColourDoesNotDifferFromItself) {
  for (const Lab& colour : {LabOf(0, 0, 0), LabOf(128, 128, 128), LabOf(250, 3, 77)}) {
    EXPECT_EQ(ColourDifference(colour, colour), 0);
  }
}

// Values of the usual conversion with the white of D65.
TEST(ColourTest, PrimaryColoursHaveTheirKnownCoordinates) {
  const Lab red = LabOf(255, 0, 0), green = LabOf(0, 255, 0), blue = LabOf(0, 0, 255);
  EXPECT_NEAR(red.l, 53.24, 0.01);
  EXPECT_NEAR(red.a, 80.09, 0.01);
  EXPECT_NEAR(red.b, 67.20, 0.01);
  EXPECT_NEAR(green.l, 87.73, 0.01);
  EXPECT_NEAR(green.a, -86.18, 0.01);
  EXPECT_NEAR(green.b, 83.18, 0.01);
  EXPECT_NEAR(blue.l, 32.30, 0.01);
  EXPECT_NEAR(blue.a, 79.19, 0.01);
  EXPECT_NEAR(blue.b, -107.86, 0.01);
}

TEST(ColourTest, GreyHasNoChroma) {
  for (const int level : {0, 5, 90, 255}) {
    const auto value = static_cast<uint8_t>(level);
    EXPECT_NEAR(LabOf(value, value, value).a, 0, 1e-3);
    EXPECT_NEAR(LabOf(value, value, value).b, 0, 1e-3);
  }
}

TEST(ColourTest, HexDigitsOfEitherCaseAreRead) {
  const auto lower = ParseColour("#c0392b"), upper = ParseColour("#C0392B");
  ASSERT_THAT(lower, test::IsOk());
  ASSERT_THAT(upper, test::IsOk());
  EXPECT_EQ(ColourDifference(*lower, LabOf(0xC0, 0x39, 0x2B)), 0);
  EXPECT_EQ(ColourDifference(*lower, *upper), 0);
}

TEST(ColourTest, AnythingElseIsNoColour) {
  for (const char* text :
       {"", "#", "c0392b", "#c0392", "#c0392bff", "#c0392g", "red", " #c0392b"}) {
    EXPECT_THAT(ParseColour(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("six hex digits")))
        << text;
  }
}

}  // namespace
}  // namespace s2p
