#include "trainer/pseudo/pseudo_sketch.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "trainer/pseudo/shown_object.h"
#include "trainer/shoes/shoe_picture.h"

namespace s2p {
namespace {

constexpr PseudoStyle kStyles[] = {PseudoStyle::kStrokes, PseudoStyle::kEdges,
                                   PseudoStyle::kDifferenceOfGaussians, PseudoStyle::kPencil,
                                   PseudoStyle::kContour};

Image Photo(uint64_t seed) {
  Random random(seed);
  auto photo = PhotographShoe(RandomShoe(random), ShoePhotoStyle::kCatalogue, seed);
  EXPECT_THAT(photo, test::IsOk());
  return *std::move(photo);
}

PseudoSketchOptions Only(PseudoStyle style) {
  PseudoSketchOptions options;
  options.strokes = style == PseudoStyle::kStrokes ? 1 : 0;
  options.edges = style == PseudoStyle::kEdges ? 1 : 0;
  options.difference_of_gaussians = style == PseudoStyle::kDifferenceOfGaussians ? 1 : 0;
  options.pencil = style == PseudoStyle::kPencil ? 1 : 0;
  options.contour = style == PseudoStyle::kContour ? 1 : 0;
  return options;
}

// 255 where there is ink.
cv::Mat Ink(const Image& sketch) {
  cv::Mat ink(sketch.height(), sketch.width(), CV_8U);
  for (int y = 0; y < ink.rows; ++y) {
    for (int x = 0; x < ink.cols; ++x) ink.at<uint8_t>(y, x) = sketch.row(y)[3 * x] < 128 ? 255 : 0;
  }
  return ink;
}

bool SamePixels(const Image& a, const Image& b) {
  return std::equal(a.pixels().begin(), a.pixels().end(), b.pixels().begin(), b.pixels().end());
}

TEST(PseudoSketcherTest, EveryStyleIsDarkLinesOnWhite) {
  for (const PseudoStyle style : kStyles) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      const Image sketch = PseudoSketcher(Photo(seed), Only(style), seed).Draw(0);
      ASSERT_EQ(sketch.width(), kPseudoSketchPixels);
      ASSERT_EQ(sketch.height(), kPseudoSketchPixels);
      const double share = cv::countNonZero(Ink(sketch)) / static_cast<double>(320 * 320);
      EXPECT_GT(share, 0.004) << static_cast<int>(style) << " " << seed;
      EXPECT_LT(share, 0.2) << static_cast<int>(style) << " " << seed;
      EXPECT_EQ(sketch.row(0)[0], 255);
    }
  }
}

TEST(PseudoSketcherTest, SketchIsGrey) {
  for (const PseudoStyle style : kStyles) {
    const Image sketch = PseudoSketcher(Photo(1), Only(style), 1).Draw(0);
    for (size_t i = 0; i < sketch.pixels().size(); i += 3) {
      ASSERT_EQ(sketch.pixels()[i], sketch.pixels()[i + 1]);
      ASSERT_EQ(sketch.pixels()[i], sketch.pixels()[i + 2]);
    }
  }
}

TEST(PseudoSketcherTest, SameSeedGivesTheSameBits) {
  const Image photo = Photo(2);
  for (const PseudoStyle style : kStyles) {
    EXPECT_TRUE(SamePixels(PseudoSketcher(photo, Only(style), 7).Draw(3),
                           PseudoSketcher(photo, Only(style), 7).Draw(3)));
  }
}

TEST(PseudoSketcherTest, OtherIndexSeedAndPhotoGiveOtherBits) {
  for (const PseudoStyle style : kStyles) {
    const Image sketch = PseudoSketcher(Photo(2), Only(style), 7).Draw(3);
    EXPECT_FALSE(SamePixels(sketch, PseudoSketcher(Photo(2), Only(style), 7).Draw(4)));
    EXPECT_FALSE(SamePixels(sketch, PseudoSketcher(Photo(2), Only(style), 8).Draw(3)));
    EXPECT_FALSE(SamePixels(sketch, PseudoSketcher(Photo(3), Only(style), 7).Draw(3)));
  }
}

TEST(PseudoSketcherTest, ContourHasNothingInside) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Image photo = Photo(seed);
    PseudoSketchOptions options = Only(PseudoStyle::kContour);
    // Then the object stays where it is.
    options.wobble = 0;
    cv::Mat ink = Ink(PseudoSketcher(photo, options, seed).Draw(0));
    cv::Mat inside;
    cv::erode(FindObject(photo).mask, inside, cv::Mat::ones(25, 25, CV_8U));
    ASSERT_GT(cv::countNonZero(inside), 1000);
    ink.setTo(0, inside == 0);
    EXPECT_EQ(cv::countNonZero(ink), 0) << seed;
  }
}

TEST(PseudoSketcherTest, StrokesHaveLinesInside) {
  int with_lines = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Image photo = Photo(seed);
    PseudoSketchOptions options = Only(PseudoStyle::kStrokes);
    options.wobble = 0;
    cv::Mat ink = Ink(PseudoSketcher(photo, options, seed).Draw(0));
    cv::Mat inside;
    cv::erode(FindObject(photo).mask, inside, cv::Mat::ones(25, 25, CV_8U));
    ink.setTo(0, inside == 0);
    with_lines += cv::countNonZero(ink) > 20 ? 1 : 0;
  }
  EXPECT_GE(with_lines, 3);
}

TEST(PseudoSketcherTest, FewerStrokesAreLeftWhereMoreAreDropped) {
  double all = 0, most_dropped = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    PseudoSketchOptions options = Only(PseudoStyle::kStrokes);
    options.dropped = 0;
    all += cv::countNonZero(Ink(PseudoSketcher(Photo(seed), options, seed).Draw(0)));
    options.dropped = 0.9;
    most_dropped += cv::countNonZero(Ink(PseudoSketcher(Photo(seed), options, seed).Draw(0)));
  }
  EXPECT_LT(most_dropped, 0.95 * all);
}

// A ring of dark lines around dark spots: what is connected and what is enclosed stays so.
TEST(PseudoSketcherTest, WobbleMovesLinesAndKeepsWhatIsConnected) {
  Image photo(300, 300);
  cv::Mat pixels(300, 300, CV_8UC3, photo.row(0));
  for (const int x : {80, 150, 220}) cv::circle(pixels, {x, 150}, 22, {0, 0, 0}, cv::FILLED);
  cv::rectangle(pixels, {20, 20}, {280, 280}, {0, 0, 0}, 6);
  const auto parts = [](const Image& sketch) {
    cv::Mat labels;
    return cv::connectedComponents(Ink(sketch), labels);
  };
  PseudoSketchOptions straight = Only(PseudoStyle::kPencil), wobbly = straight;
  straight.wobble = 0;
  wobbly.wobble = 0.05;
  for (int i = 0; i < 8; ++i) {
    const Image still = PseudoSketcher(photo, straight, 1).Draw(i);
    const Image moved = PseudoSketcher(photo, wobbly, 1).Draw(i);
    EXPECT_FALSE(SamePixels(moved, still)) << i;
    EXPECT_EQ(parts(moved), parts(still)) << i;
  }
}

TEST(PseudoSketcherTest, PhotoThatShowsNothingGivesAWhiteSketch) {
  const Image blank(64, 48, 200);
  for (const PseudoStyle style : kStyles) {
    const Image sketch = PseudoSketcher(blank, Only(style), 1).Draw(0);
    EXPECT_EQ(cv::countNonZero(Ink(sketch)), 0) << static_cast<int>(style);
  }
}

TEST(PseudoSketcherTest, TinyAndNarrowPhotosAreDrawn) {
  for (const auto& [width, height] : {std::pair(1, 1), {1, 300}, {400, 2}}) {
    Image photo(width, height, 255);
    photo.row(height / 2)[0] = 0;
    for (const PseudoStyle style : kStyles) {
      EXPECT_EQ(PseudoSketcher(photo, Only(style), 1).Draw(0).width(), kPseudoSketchPixels);
    }
  }
}

TEST(PseudoSketcherTest, StylesAreDrawnAsOftenAsTheirWeightsSay) {
  PseudoSketchOptions options;
  options.pencil = 0;
  options.contour = 1;  // of 5 + 2 + 2 + 1
  const PseudoSketcher sketcher(Photo(1), options, 5);
  std::array<int, kPseudoStyles> counts{};
  for (int i = 0; i < 200; ++i) ++counts[static_cast<size_t>(sketcher.StyleOf(i))];
  EXPECT_NEAR(counts[0], 100, 4);
  EXPECT_NEAR(counts[1], 40, 4);
  EXPECT_NEAR(counts[2], 40, 4);
  EXPECT_EQ(counts[3], 0);
  EXPECT_NEAR(counts[4], 20, 4);
}

TEST(PseudoSketchOptionsTest, UnsetFieldsHaveDefaultsAndZeroIsZero) {
  v1::TrainingSpec::PseudoSketchSpec spec;
  spec.set_pencil(0);
  spec.set_wobble(0.01);
  const auto options = PseudoSketchOptions::Of(spec);
  EXPECT_EQ(options.pencil, 0);
  EXPECT_EQ(options.wobble, 0.01);
  EXPECT_EQ(options.strokes, PseudoSketchOptions().strokes);
  EXPECT_EQ(options.dropped, PseudoSketchOptions().dropped);
}

}  // namespace
}  // namespace s2p
