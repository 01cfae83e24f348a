#include "image/specks.h"

#include <gtest/gtest.h>

#include <opencv2/imgproc.hpp>
#include <vector>

namespace s2p {
namespace {

// The hull of the strokes is kHull; specks are shorter than 10 pixels, dust than 2.
constexpr int kSide = 360;
const cv::Rect kHull(80, 80, 200, 200);

// A frame of thin strokes on clean paper.
cv::Mat Frame() {
  cv::Mat ink = cv::Mat::zeros(kSide, kSide, CV_8U);
  cv::rectangle(ink, kHull, cv::Scalar(255));
  return ink;
}

cv::Mat With(cv::Mat ink, const std::vector<cv::Rect>& more) {
  for (const cv::Rect& box : more) ink(box).setTo(255);
  return ink;
}

int DirtOf(const DrawnInk& drawn) { return drawn.dirt.empty() ? 0 : cv::countNonZero(drawn.dirt); }

const cv::Rect kInside(150, 150, 6, 2), kOutside(20, 30, 6, 2);

TEST(FindDrawnTest, StrokesAreDrawn) {
  const DrawnInk drawn = FindDrawn(Frame(), true);
  EXPECT_EQ(drawn.box, kHull);
  EXPECT_TRUE(drawn.dirt.empty());
}

TEST(FindDrawnTest, DotsInADrawingOnCleanPaperAreDrawn) {
  EXPECT_EQ(DirtOf(FindDrawn(With(Frame(), {kInside, {200, 200, 4, 4}}), true)), 0);
}

TEST(FindDrawnTest, SpecksInADrawingAreDirtIfTheyAreAroundItToo) {
  const DrawnInk drawn = FindDrawn(With(Frame(), {kInside, kOutside}), true);
  EXPECT_EQ(drawn.box, kHull);
  EXPECT_EQ(DirtOf(drawn), kInside.area() + kOutside.area());
  EXPECT_EQ(cv::countNonZero(drawn.dirt(kInside)), kInside.area());
}

TEST(FindDrawnTest, DotsThatAreLargerThanTheDirtAreDrawn) {
  const DrawnInk drawn = FindDrawn(With(Frame(), {{150, 150, 9, 9}, {20, 30, 4, 4}}), true);
  EXPECT_EQ(DirtOf(drawn), 16);
}

// Between the strokes of an angle, within its box.
TEST(FindDrawnTest, SpecksBelowAnArchAreOutsideIt) {
  cv::Mat angle = cv::Mat::zeros(kSide, kSide, CV_8U);
  cv::line(angle, {80, 80}, {80, 280}, cv::Scalar(255));
  cv::line(angle, {80, 80}, {280, 80}, cv::Scalar(255));
  EXPECT_EQ(DirtOf(FindDrawn(With(angle, {{250, 250, 6, 2}, {100, 100, 6, 2}}), true)), 24);
}

TEST(FindDrawnTest, PiecesOfAStrokeAreDrawnOnDirtyPaperToo) {
  const cv::Rect piece(kHull.x + 2, 150, 5, 1);
  EXPECT_EQ(DirtOf(FindDrawn(With(Frame(), {piece, kOutside}), true)), kOutside.area());
}

TEST(FindDrawnTest, SingleDarkPixelsAreDirtOnCleanPaper) {
  const DrawnInk drawn = FindDrawn(With(Frame(), {{150, 150, 1, 1}, {20, 30, 1, 1}}), true);
  EXPECT_EQ(drawn.box, kHull);
  EXPECT_EQ(DirtOf(drawn), 2);
}

TEST(FindDrawnTest, DotsWithoutAStrokeAreTheDrawing) {
  const cv::Mat dots =
      With(cv::Mat::zeros(kSide, kSide, CV_8U), {{100, 50, 1, 1}, {200, 90, 5, 5}});
  const DrawnInk drawn = FindDrawn(dots, true);
  EXPECT_EQ(drawn.box, cv::Rect(100, 50, 105, 45));
  EXPECT_EQ(DirtOf(drawn), 0);
}

TEST(FindDrawnTest, DustAndEdgesOfShadowsAreDirtOnGreyGroundAlone) {
  const cv::Mat ink = With(Frame(), {{82, 150, 1, 1}, {0, 100, 20, 2}});
  EXPECT_EQ(DirtOf(FindDrawn(ink, false)), 41);
  EXPECT_EQ(FindDrawn(ink, false).box, kHull);
  EXPECT_EQ(DirtOf(FindDrawn(ink, true)), 0);
}

TEST(FindDrawnTest, PaperWithoutInkHasNothing) {
  for (const cv::Size& size : {cv::Size(1, 1), {kSide, 3}, {kSide, kSide}}) {
    const DrawnInk drawn = FindDrawn(cv::Mat::zeros(size, CV_8U), true);
    EXPECT_TRUE(drawn.box.empty());
    EXPECT_TRUE(drawn.dirt.empty());
  }
}

}  // namespace
}  // namespace s2p
