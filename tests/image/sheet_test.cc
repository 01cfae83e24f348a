#include "image/sheet.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

namespace s2p {
namespace {

constexpr int kWidth = 400, kHeight = 300;
// Clockwise from the top left.
const std::vector<cv::Point> kSheet = {{60, 40}, {350, 55}, {365, 270}, {40, 250}};

cv::Mat Table(int luma = 60) { return cv::Mat(kHeight, kWidth, CV_8U, cv::Scalar(luma)); }

cv::Mat OnTable(const std::vector<cv::Point>& sheet, int paper = 210) {
  cv::Mat picture = Table();
  cv::fillConvexPoly(picture, sheet, cv::Scalar(paper));
  return picture;
}

// The largest distance of a corner from where it is, in pixels.
double FarthestOf(const SheetCorners& found, const std::vector<cv::Point>& sheet) {
  double farthest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const cv::Point2d corner(found[i].x * kWidth, found[i].y * kHeight);
    farthest = std::max(farthest, cv::norm(corner - cv::Point2d(sheet[i])));
  }
  return farthest;
}

TEST(FindSheetTest, SheetOnATableIsFoundWithItsCornersInOrder) {
  const auto found = FindSheet(OnTable(kSheet));
  ASSERT_TRUE(found.has_value());
  EXPECT_LT(FarthestOf(*found, kSheet), 6);
}

TEST(FindSheetTest, StrokesAcrossItDoNotDivideASheet) {
  cv::Mat picture = OnTable(kSheet);
  cv::line(picture, {50, 150}, {360, 140}, cv::Scalar(20), 5);
  cv::line(picture, {200, 45}, {210, 262}, cv::Scalar(20), 5);
  const auto found = FindSheet(picture);
  ASSERT_TRUE(found.has_value());
  EXPECT_LT(FarthestOf(*found, kSheet), 6);
}

TEST(FindSheetTest, ShadowAcrossASheetDoesNotHalveIt) {
  cv::Mat picture = OnTable(kSheet);
  cv::Mat left = picture.colRange(0, kWidth / 2);
  left *= 0.6;
  const auto found = FindSheet(picture);
  ASSERT_TRUE(found.has_value());
  EXPECT_LT(FarthestOf(*found, kSheet), 6);
}

TEST(FindSheetTest, SheetMayBeCutByOneBorder) {
  const std::vector<cv::Point> cut = {{0, 40}, {350, 55}, {365, 270}, {0, 250}};
  const auto found = FindSheet(OnTable(cut));
  ASSERT_TRUE(found.has_value());
  EXPECT_LT(FarthestOf(*found, cut), 6);
}

TEST(FindSheetTest, EdgeOfAShadowIsNoEdgeOfASheet) {
  cv::Mat paper(kHeight, kWidth, CV_8U, cv::Scalar(200));
  cv::Mat shaded = paper.colRange(0, kWidth / 2);
  shaded *= 0.6;
  EXPECT_FALSE(FindSheet(paper).has_value());
}

TEST(FindSheetTest, PaperInUnevenLightIsNoSheetOnATable) {
  cv::Mat paper(kHeight, kWidth, CV_8U);
  for (int x = 0; x < kWidth; ++x) paper.col(x) = 120 + 120 * x / kWidth;
  EXPECT_FALSE(FindSheet(paper).has_value());
}

TEST(FindSheetTest, SmallOrRoundThingIsNoSheet) {
  EXPECT_FALSE(FindSheet(OnTable({{60, 40}, {160, 40}, {160, 120}, {60, 120}})).has_value());
  cv::Mat plate = Table();
  cv::circle(plate, {200, 150}, 140, cv::Scalar(220), cv::FILLED);
  EXPECT_FALSE(FindSheet(plate).has_value());
}

TEST(FindSheetTest, PictureOfOneToneHasNoSheet) {
  for (const int side : {1, 2, 50}) {
    for (const int level : {0, 128, 255}) {
      EXPECT_FALSE(FindSheet(cv::Mat(side, side, CV_8U, cv::Scalar(level))).has_value());
    }
  }
}

// Pixels that are red in the left half of the sheet, which is narrower at its right side.
TEST(FlattenedTest, SheetBecomesARectangleWithItsLeftOnTheLeft) {
  cv::Mat picture(kHeight, kWidth, CV_8UC3, cv::Scalar(40, 40, 40));
  cv::fillConvexPoly(picture, kSheet, cv::Scalar(220, 220, 220));
  cv::fillConvexPoly(picture, std::vector<cv::Point>{{60, 40}, {150, 45}, {150, 256}, {40, 250}},
                     cv::Scalar(200, 0, 0));
  SheetCorners corners;
  for (size_t i = 0; i < corners.size(); ++i) {
    corners[i] = {static_cast<float>(kSheet[i].x) / kWidth,
                  static_cast<float>(kSheet[i].y) / kHeight};
  }
  const cv::Size size = FlatSize(picture.size(), corners);
  EXPECT_NEAR(size.width, 308, 10);
  EXPECT_NEAR(size.height, 213, 10);
  const cv::Mat flat = Flattened(picture, corners, {0, 0, 1, 1}, size);
  ASSERT_EQ(flat.size(), size);
  for (const int y : {0, size.height / 2, size.height - 1}) {
    EXPECT_EQ(flat.at<cv::Vec3b>(y, 0), cv::Vec3b(200, 0, 0)) << y;
    EXPECT_EQ(flat.at<cv::Vec3b>(y, size.width - 1), cv::Vec3b(220, 220, 220)) << y;
  }
  // The right half, enlarged.
  const cv::Mat right = Flattened(picture, corners, {0.5, 0, 0.5, 1}, {300, 400});
  ASSERT_EQ(right.size(), cv::Size(300, 400));
  EXPECT_EQ(right.at<cv::Vec3b>(200, 150), cv::Vec3b(220, 220, 220));
}

}  // namespace
}  // namespace s2p
