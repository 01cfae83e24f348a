#include "image/dominant_colours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>

#include "tests/image/image_bytes.h"
#include "tests/image/painted.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::SizeIs;

constexpr Rgb kWhite = {255, 255, 255};
constexpr Rgb kRed = {192, 57, 43};
constexpr Rgb kBlue = {30, 60, 160};

Lab InLab(const Rgb& colour) { return LabOf(colour[0], colour[1], colour[2]); }

void ExpectColour(const ColourShare& found, const Rgb& colour, float share, float tolerance = 0) {
  EXPECT_LT(ColourDifference(found.colour, InLab(colour)), 1);
  EXPECT_NEAR(found.share, share, tolerance + 1e-6);
}

TEST(DominantColoursTest, RedThingOnWhiteIsRedAlone) {
  Image photo = Painted(200, 150, kWhite);
  PaintBox(photo, 50, 50, 90, 40, kRed);
  const auto colours = DominantColours(photo);
  ASSERT_THAT(colours, SizeIs(1));
  ExpectColour(colours[0], kRed, 1);
}

TEST(DominantColoursTest, ColourOfTheGroundDoesNotMatter) {
  for (const Rgb& ground : {kWhite, Rgb{15, 15, 18}, Rgb{200, 180, 90}}) {
    Image photo = Painted(200, 150, ground);
    PaintBox(photo, 50, 50, 90, 40, kRed);
    const auto colours = DominantColours(photo);
    ASSERT_THAT(colours, SizeIs(1));
    ExpectColour(colours[0], kRed, 1);
  }
}

TEST(DominantColoursTest, TwoColoursHaveTheirSharesLargestFirst) {
  Image photo = Painted(200, 150, kWhite);
  PaintBox(photo, 40, 40, 80, 60, kBlue);
  PaintBox(photo, 40, 40, 20, 60, kRed);
  const auto colours = DominantColours(photo);
  ASSERT_THAT(colours, SizeIs(2));
  // The rim is left out, which costs the smaller colour more.
  ExpectColour(colours[0], kBlue, 0.75F, 0.02F);
  ExpectColour(colours[1], kRed, 0.25F, 0.02F);
}

TEST(DominantColoursTest, ShadesAreOneColour) {
  Image photo = Painted(200, 150, kWhite);
  for (int i = 0; i < 40; ++i) {
    PaintBox(photo, 40 + i, 40, 1, 60, {static_cast<uint8_t>(180 + i / 2), 57, 43});
  }
  EXPECT_THAT(DominantColours(photo), SizeIs(1));
}

TEST(DominantColoursTest, GreyThingIsGrey) {
  Image photo = Painted(200, 150, kWhite);
  PaintBox(photo, 50, 50, 90, 40, {120, 120, 120});
  const auto colours = DominantColours(photo);
  ASSERT_THAT(colours, SizeIs(1));
  EXPECT_NEAR(colours[0].colour.a, 0, 0.01);
  EXPECT_NEAR(colours[0].colour.b, 0, 0.01);
}

TEST(DominantColoursTest, PhotoOfOneColourHasThatColour) {
  const auto colours = DominantColours(Painted(64, 64, kBlue));
  ASSERT_THAT(colours, SizeIs(1));
  ExpectColour(colours[0], kBlue, 1);
}

TEST(DominantColoursTest, SinglePixelHasItsColour) {
  const auto colours = DominantColours(Painted(1, 1, kRed));
  ASSERT_THAT(colours, SizeIs(1));
  ExpectColour(colours[0], kRed, 1);
}

TEST(DominantColoursTest, ManyColoursBecomeFiveThatAddUpToAll) {
  Image photo(96, 96);
  uint32_t state = 1;
  for (int y = 0; y < 96; ++y) {
    for (int i = 0; i < 96 * Image::kChannels; ++i) {
      state = state * 1664525u + 1013904223u;
      photo.row(y)[i] = static_cast<uint8_t>(state >> 24);
    }
  }
  const auto colours = DominantColours(photo);
  EXPECT_THAT(colours, SizeIs(kMostDominantColours));
  EXPECT_NEAR(std::accumulate(colours.begin(), colours.end(), 0.0,
                              [](double sum, const ColourShare& c) { return sum + c.share; }),
              1, 1e-6);
  for (size_t i = 1; i < colours.size(); ++i) EXPECT_LE(colours[i].share, colours[i - 1].share);
}

TEST(DominantColoursTest, SamePixelsGiveTheSameColours) {
  Image photo = Painted(300, 200, {240, 238, 235});
  for (int i = 0; i < 12; ++i) {
    PaintBox(photo, 40 + 15 * i, 60, 15, 80,
             {static_cast<uint8_t>(20 * i), static_cast<uint8_t>(255 - 20 * i), 90});
  }
  const auto one = DominantColours(photo), other = DominantColours(Image(photo));
  ASSERT_EQ(one.size(), other.size());
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].colour.l, other[i].colour.l);
    EXPECT_EQ(one[i].colour.a, other[i].colour.a);
    EXPECT_EQ(one[i].colour.b, other[i].colour.b);
    EXPECT_EQ(one[i].share, other[i].share);
  }
}

TEST(DominantColoursTest, LargePhotoHasTheColoursOfASmallOne) {
  Image small = Painted(200, 150, kWhite), large = Painted(1600, 1200, kWhite);
  PaintBox(small, 40, 40, 80, 60, kBlue);
  PaintBox(small, 40, 40, 20, 60, kRed);
  PaintBox(large, 320, 320, 640, 480, kBlue);
  PaintBox(large, 320, 320, 160, 480, kRed);
  const auto one = DominantColours(small), other = DominantColours(large);
  ASSERT_THAT(other, SizeIs(2));
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_LT(ColourDifference(one[i].colour, other[i].colour), 2);
    EXPECT_NEAR(one[i].share, other[i].share, 0.03);
  }
}

TEST(DominantColoursTest, TransparentPixelsAreGround) {
  std::vector<std::string> rows;
  for (int y = 0; y < 40; ++y) {
    std::string row;
    for (int x = 0; x < 60; ++x) {
      const bool inside = x >= 15 && x < 45 && y >= 10 && y < 30;
      // Invisible pixels have a colour, too.
      row += inside ? Bytes({192, 57, 43, 255}) : Bytes({0, 200, 0, 0});
    }
    rows.push_back(row);
  }
  const auto photo = DecodeImage(Png({60, 40, 8, 6}, rows));
  ASSERT_THAT(photo, IsOk());
  const auto colours = DominantColours(*photo);
  ASSERT_THAT(colours, SizeIs(1));
  ExpectColour(colours[0], kRed, 1);
}

TEST(ColourShareTest, SharesNearTheWantedColourAreAddedUp) {
  const std::vector<ColourShare> colours = {
      {InLab(kRed), 0.5F}, {InLab({200, 60, 50}), 0.25F}, {InLab(kBlue), 0.25F}};
  EXPECT_FLOAT_EQ(ShareWithin(colours, InLab(kRed), 10), 0.75F);
  EXPECT_FLOAT_EQ(ShareWithin(colours, InLab(kBlue), 0), 0.25F);
  EXPECT_FLOAT_EQ(ShareWithin(colours, InLab({0, 255, 0}), 10), 0);
  EXPECT_FLOAT_EQ(ShareWithin({}, InLab(kRed), 100), 0);
}

TEST(ColourShareTest, EveryColourWithinTheDifferenceCounts) {
  const Lab wanted = {50, 20, -10};
  for (float l = 0; l <= 100; l += 5) {
    for (float a = -120; a <= 120; a += 20) {
      const ColourShare colour = {{l, a, -a / 2}, 1};
      const bool within = ColourDifference(colour.colour, wanted) <= 30;
      EXPECT_EQ(ShareWithin({&colour, 1}, wanted, 30), within ? 1 : 0) << l << " " << a;
    }
  }
  // Near white and black lightness counts least.
  const ColourShare white = {{100, 0, 0}, 1};
  const Lab grey = {85, 0, 0};
  EXPECT_EQ(ShareWithin({&white, 1}, grey,
                        static_cast<float>(ColourDifference({100, 0, 0}, grey)) + 1e-4F),
            1);
}

TEST(ColourShareTest, AgreementIsTheShareWeightedByCloseness) {
  const std::vector<ColourShare> colours = {{InLab(kRed), 0.75F}, {{50, 0, 0}, 0.25F}};
  // Red and blue are farther apart than 40; (50, 0, 0) and (60, 0, 0) are 9.4706 apart: 10 over
  // S_L = 1 + 0.015 * 25 / sqrt(45).
  EXPECT_FLOAT_EQ(ColourAgreement({colours.data(), 1}, InLab(kRed)), 0.75F);
  EXPECT_FLOAT_EQ(ColourAgreement({colours.data(), 1}, InLab(kBlue)), 0);
  EXPECT_NEAR(ColourAgreement({&colours[1], 1}, {60, 0, 0}), 0.25 * (1 - 9.4706 / 40), 1e-5);
  EXPECT_FLOAT_EQ(ColourAgreement({}, InLab(kRed)), 0);
}

}  // namespace
}  // namespace s2p::test
