#include "image/ruling.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace s2p {
namespace {

constexpr int kSide = 400;
constexpr int kPrinted = 180, kPen = 30;

class Sheet {
 public:
  // Level lines, `slope` pixels lower at the right side.
  Sheet& Rule(int every, int slope = 0, int lines = 1000) {
    for (int y = every; y < kSide && lines-- > 0; y += every) Line({0, y}, {kSide, y + slope});
    return *this;
  }
  Sheet& RuleUpright(int every) {
    for (int x = every; x < kSide; x += every) Line({x, 0}, {x, kSide});
    return *this;
  }
  Sheet& Draw(const cv::Point& from, const cv::Point& to, int luma = kPen, int width = 3) {
    cv::line(luma_, from, to, cv::Scalar(luma), width);
    cv::line(drawn_, from, to, cv::Scalar(255), width);
    return *this;
  }

  // The ink that is found to be printed, and what is left.
  cv::Mat Printed() const { return FindRuling(luma_ < 235, luma_); }
  cv::Mat Left() const {
    const cv::Mat printed = Printed();
    return printed.empty() ? cv::Mat(luma_ < 235) : cv::Mat((luma_ < 235) & ~printed);
  }
  const cv::Mat& drawn() const { return drawn_; }

 private:
  void Line(const cv::Point& from, const cv::Point& to) {
    cv::line(luma_, from, to, cv::Scalar(kPrinted), 1);
  }

  cv::Mat luma_{kSide, kSide, CV_8U, cv::Scalar(255)};
  cv::Mat drawn_ = cv::Mat::zeros(kSide, kSide, CV_8U);
};

TEST(FindRulingTest, LinesOfAWritingPadArePrinted) {
  const Sheet sheet = Sheet().Rule(20);
  EXPECT_EQ(cv::countNonZero(sheet.Printed()), 19 * kSide);
  EXPECT_EQ(cv::countNonZero(sheet.Left()), 0);
}

TEST(FindRulingTest, SquaresArePrinted) {
  EXPECT_EQ(cv::countNonZero(Sheet().Rule(20).RuleUpright(20).Left()), 0);
}

TEST(FindRulingTest, LinesMayBeTilted) {
  for (const int slope : {-20, 12, 30}) {
    const Sheet sheet = Sheet().Rule(25, slope);
    EXPECT_LT(cv::countNonZero(sheet.Left()), 0.02 * cv::countNonZero(sheet.Printed())) << slope;
  }
}

TEST(FindRulingTest, StrokesAcrossLinesStay) {
  const Sheet sheet = Sheet().Rule(20).Draw({60, 50}, {330, 340}).Draw({200, 40}, {200, 360});
  const cv::Mat drawn = sheet.drawn(), lost = drawn & ~sheet.Left();
  ASSERT_FALSE(sheet.Printed().empty());
  EXPECT_LT(cv::countNonZero(lost), 0.02 * cv::countNonZero(drawn));
}

TEST(FindRulingTest, DarkStrokeAlongALineStays) {
  const Sheet sheet = Sheet().Rule(20).Draw({100, 200}, {300, 200}, kPen, 1);
  ASSERT_FALSE(sheet.Printed().empty());
  EXPECT_EQ(cv::countNonZero(sheet.Left() & sheet.drawn()), cv::countNonZero(sheet.drawn()));
}

// The stroke covers two lines over most of their length.
TEST(FindRulingTest, LineThatADrawingHidesIsPrintedWhereItShows) {
  const Sheet sheet = Sheet().Rule(20).Draw({40, 200}, {360, 200}, kPen, 44);
  // Where they touch, line and stroke cannot be told apart.
  EXPECT_LT(cv::countNonZero(sheet.Left() & ~sheet.drawn()), 60);
}

TEST(FindRulingTest, FewLinesAreADrawing) { EXPECT_TRUE(Sheet().Rule(80, 0, 4).Printed().empty()); }

TEST(FindRulingTest, LinesThatEndInThePictureAreADrawing) {
  Sheet hatched;
  for (int y = 40; y < 360; y += 20) hatched.Draw({50, y}, {350, y}, kPen, 1);
  EXPECT_TRUE(hatched.Printed().empty());
}

TEST(FindRulingTest, LinesAtIrregularDistancesAreADrawing) {
  Sheet drawing;
  for (const int y : {20, 30, 90, 105, 200, 212, 300, 380}) {
    drawing.Draw({0, y}, {kSide, y}, kPrinted, 1);
  }
  EXPECT_TRUE(drawing.Printed().empty());
}

TEST(FindRulingTest, ThickBarsAreADrawing) {
  Sheet bars;
  for (int y = 20; y < kSide; y += 40) bars.Draw({0, y}, {kSide, y}, kPen, 15);
  EXPECT_TRUE(bars.Printed().empty());
}

TEST(FindRulingTest, SolidInkBetweenTheLinesOfBothSidesStays) {
  const Sheet solid = Sheet().Rule(20).Draw({200, 0}, {200, kSide}, kPen, 260);
  EXPECT_FALSE(solid.Printed().empty());
  EXPECT_EQ(cv::countNonZero(solid.Left() & solid.drawn()), cv::countNonZero(solid.drawn()));
}

TEST(FindRulingTest, TinyOrEmptyPictureHasNone) {
  for (const int side : {1, 3, 63, 64, 200}) {
    const cv::Mat none = cv::Mat::zeros(side, side, CV_8U), all(side, side, CV_8U, cv::Scalar(255));
    EXPECT_TRUE(FindRuling(none, all).empty()) << side;
    EXPECT_TRUE(FindRuling(all, none).empty()) << side;
  }
}

}  // namespace
}  // namespace s2p
