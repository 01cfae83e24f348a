#include "image/illumination.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

namespace s2p {
namespace {

constexpr int kSide = 256;

cv::Mat Paper(int luma = 200) { return cv::Mat(kSide, kSide, CV_8U, cv::Scalar(luma)); }

void DrawCross(cv::Mat& paper, int luma) {
  cv::line(paper, {60, 70}, {190, 200}, cv::Scalar(luma), 3);
  cv::line(paper, {60, 190}, {200, 60}, cv::Scalar(luma), 3);
}

// The largest difference of two pictures of the same size.
double Farthest(const cv::Mat& a, const cv::Mat& b) { return cv::norm(a, b, cv::NORM_INF); }

TEST(GroundOfTest, StrokesAreClosed) {
  cv::Mat paper = Paper();
  DrawCross(paper, 20);
  EXPECT_LE(Farthest(GroundOf(paper), Paper()), 1);
}

TEST(GroundOfTest, ShadowFromTheBorderIsGround) {
  cv::Mat paper = Paper();
  paper.colRange(0, 120) = cv::Scalar(110);
  EXPECT_LE(Farthest(GroundOf(paper).colRange(0, 117), paper.colRange(0, 117)), 1);
  EXPECT_LE(Farthest(GroundOf(paper).colRange(123, kSide), paper.colRange(123, kSide)), 1);
}

TEST(GroundOfTest, FilledPartIsNoGround) {
  cv::Mat paper = Paper();
  cv::circle(paper, {128, 128}, 50, cv::Scalar(30), cv::FILLED);
  EXPECT_LE(Farthest(GroundOf(paper), Paper()), 2);
}

TEST(GroundOfTest, IsNeverZero) {
  for (const int side : {1, 2, 300}) {
    double least = 0;
    cv::minMaxLoc(GroundOf(cv::Mat::zeros(side, side, CV_8U)), &least);
    EXPECT_GE(least, 1) << side;
  }
}

TEST(GroundOfTest, HasTheSameShapeAndAtMost256Pixels) {
  EXPECT_EQ(GroundOf(cv::Mat(100, 512, CV_8U, cv::Scalar(9))).size(), cv::Size(256, 50));
  EXPECT_EQ(GroundOf(cv::Mat(1, 7, CV_8U, cv::Scalar(9))).size(), cv::Size(7, 1));
}

TEST(HasLightInkTest, ChalkOnABoardIsLightAndPenOnDimPaperIsNot) {
  cv::Mat board = Paper(60), dim = Paper(100);
  DrawCross(board, 200);
  DrawCross(dim, 20);
  EXPECT_TRUE(HasLightInk(board, 60));
  EXPECT_FALSE(HasLightInk(dim, 100));
}

// More than half of the sheet is in shadow; the lit rest is no ink.
TEST(HasLightInkTest, LitPartOfASheetInShadowIsNoInk) {
  cv::Mat paper = Paper();
  DrawCross(paper, 40);
  cv::Mat shaded = paper.colRange(0, 200);
  shaded *= 0.5;
  EXPECT_FALSE(HasLightInk(paper, 100));
}

TEST(HasLightInkTest, FilledLightPartOnADarkGroundIsInk) {
  cv::Mat board = Paper(30);
  cv::circle(board, {128, 128}, 60, cv::Scalar(230), cv::FILLED);
  EXPECT_TRUE(HasLightInk(board, 30));
}

TEST(LevelsTest, ShareOfTheOthersLiesBelow) {
  Levels levels;
  for (const uint8_t value : {10, 20, 30, 40, 50}) levels.Add(value);
  EXPECT_EQ(levels.At(0), 10);
  EXPECT_EQ(levels.At(0.5), 30);
  EXPECT_EQ(levels.At(1), 50);
  EXPECT_EQ(Levels().At(0.5), 0);
}

TEST(LevelsTest, BorderIsTheOutermost32nd) {
  cv::Mat picture(64, 64, CV_8U, cv::Scalar(200));
  picture(cv::Rect(2, 2, 60, 60)) = cv::Scalar(10);
  EXPECT_EQ(BorderLevels(picture).At(0), 200);
  EXPECT_EQ(AllLevels(picture).At(0), 10);
}

}  // namespace
}  // namespace s2p
