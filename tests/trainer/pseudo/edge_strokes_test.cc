#include "trainer/pseudo/edge_strokes.h"

#include <gmock/gmock.h>

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace s2p {
namespace {

using testing::SizeIs;

cv::Mat Blank() { return cv::Mat(40, 40, CV_8U, cv::Scalar(0)); }

TEST(TraceEdgesTest, LineThatIsCrossedIsFollowedStraightOn) {
  cv::Mat edges = Blank();
  cv::line(edges, {20, 5}, {20, 35}, 255);
  cv::line(edges, {2, 20}, {38, 20}, 255);
  const auto traces = TraceEdges(edges);
  ASSERT_EQ(traces.size(), 3u) << "the other is cut in two";
  EXPECT_THAT(traces[0], SizeIs(31));
  for (const auto& point : traces[0]) EXPECT_EQ(point[0], 20);
}

TEST(TraceEdgesTest, EveryPixelIsInOneTrace) {
  cv::Mat edges = Blank();
  cv::circle(edges, {20, 20}, 12, 255);
  cv::line(edges, {0, 3}, {39, 30}, 255);
  cv::Mat traced = Blank();
  size_t points = 0;
  for (const Trace& trace : TraceEdges(edges)) {
    points += trace.size();
    for (const auto& [x, y] : trace) {
      traced.at<uint8_t>(static_cast<int>(y), static_cast<int>(x)) = 255;
    }
  }
  EXPECT_EQ(points, static_cast<size_t>(cv::countNonZero(edges)));
  EXPECT_EQ(cv::countNonZero(traced != edges), 0);
}

TEST(TraceEdgesTest, NeighboursOfATraceTouch) {
  cv::Mat edges = Blank();
  cv::ellipse(edges, {20, 20}, {15, 8}, 30, 0, 360, 255);
  for (const Trace& trace : TraceEdges(edges)) {
    for (size_t i = 1; i < trace.size(); ++i) {
      EXPECT_LE(std::abs(trace[i][0] - trace[i - 1][0]), 1);
      EXPECT_LE(std::abs(trace[i][1] - trace[i - 1][1]), 1);
    }
  }
}

TEST(TraceOutlinesTest, HolesAndSpecksHaveNone) {
  cv::Mat mask = Blank();
  cv::rectangle(mask, {5, 5}, {34, 34}, 255, cv::FILLED);
  cv::rectangle(mask, {15, 15}, {20, 20}, 0, cv::FILLED);
  mask.at<uint8_t>(1, 1) = 255;
  EXPECT_THAT(TraceOutlines(mask, 10), SizeIs(1));
}

TEST(SmoothedTest, ZigzagBecomesALineWhoseEndsStay) {
  Trace zigzag;
  for (int i = 0; i < 41; ++i) zigzag.push_back({static_cast<double>(i), i % 2 == 0 ? 0.0 : 2.0});
  const Trace smooth = Smoothed(zigzag, 3, /*closed=*/false);
  EXPECT_EQ(smooth.front(), zigzag.front());
  EXPECT_EQ(smooth.back(), zigzag.back());
  for (size_t i = 12; i < 29; ++i) EXPECT_NEAR(smooth[i][1], 1, 0.05) << i;
}

TEST(SmoothedTest, ClosedOutlineKeepsItsMiddle) {
  Trace circle;
  for (int i = 0; i < 100; ++i) {
    circle.push_back(
        {20 + 10 * std::cos(0.0628318530718 * i), 20 + 10 * std::sin(0.0628318530718 * i)});
  }
  double x = 0, y = 0;
  for (const auto& point : Smoothed(circle, 2, /*closed=*/true)) {
    x += point[0] / 100;
    y += point[1] / 100;
  }
  EXPECT_NEAR(x, 20, 1e-6);
  EXPECT_NEAR(y, 20, 1e-6);
}

}  // namespace
}  // namespace s2p
