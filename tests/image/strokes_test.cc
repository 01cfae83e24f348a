#include "image/strokes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

Strokes Line(std::vector<StrokePoint> points, float width = 4, int canvas = 100) {
  return {canvas, canvas, {{std::move(points), width}}};
}

Image Draw(const Strokes& strokes) {
  const auto image = RasterizeStrokes(strokes);
  EXPECT_THAT(image, IsOk());
  return image.ok() ? *image : Image(1, 1);
}

int Level(const Image& image, int x, int y) { return image.row(y)[3 * x]; }

// Ink in pixels: 0 for white, 1 for black.
double Ink(const Image& image) {
  double sum = 0;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) sum += (255 - Level(image, x, y)) / 255.0;
  }
  return sum;
}

TEST(StrokesTest, LineIsBlackOnWhiteAndOfTheGivenWidth) {
  const Image image = Draw(Line({{20, 50}, {80, 50}}, 6));
  EXPECT_EQ(Level(image, 50, 50), 0);
  EXPECT_EQ(Level(image, 50, 40), 255);
  int dark = 0;
  for (int y = 0; y < 100; ++y) dark += Level(image, 50, y) < 128 ? 1 : 0;
  EXPECT_EQ(dark, 6);
}

TEST(StrokesTest, SinglePointIsARoundDot) {
  const Image image = Draw(Line({{50, 50}}, 20));
  EXPECT_NEAR(Ink(image), M_PI * 100, 5);
}

TEST(StrokesTest, EdgesAreSmooth) {
  const Image image = Draw(Line({{10, 10}, {90, 47}}, 5));
  int grey = 0;
  for (int y = 0; y < 100; ++y) {
    for (int x = 0; x < 100; ++x)
      grey += Level(image, x, y) > 20 && Level(image, x, y) < 235 ? 1 : 0;
  }
  EXPECT_GT(grey, 100);
}

TEST(StrokesTest, PressureScalesTheWidth) {
  const double full = Ink(Draw(Line({{20, 50, 1}, {80, 50, 1}}, 8)));
  const double half = Ink(Draw(Line({{20, 50, 0.5F}, {80, 50, 0.5F}}, 8)));
  EXPECT_NEAR(half / full, 0.5, 0.07);
  EXPECT_DOUBLE_EQ(Ink(Draw(Line({{20, 50, 0}, {80, 50, 0}}, 8))), full) << "0 is not known";
}

TEST(StrokesTest, LargeCanvasShrinksToFitAndKeepsItsShape) {
  Strokes strokes = Line({{10, 10}}, 0, 4000);
  strokes.height = 1000;
  const Image image = Draw(strokes);
  EXPECT_EQ(image.width(), 512);
  EXPECT_EQ(image.height(), 128);
}

TEST(StrokesTest, WidthOfZeroIsThatOfTrainingSketches) {
  const Image image = Draw(Line({{20, 128.5F}, {236, 128.5F}}, 0, 256));
  int dark = 0;
  for (int y = 0; y < 256; ++y) dark += Level(image, 128, y) < 128 ? 1 : 0;
  EXPECT_EQ(dark, 3);
}

TEST(StrokesTest, StrokesOutsideTheCanvasAreCutOff) {
  EXPECT_EQ(Ink(Draw(Line({{-50, -50}, {-20, -40}}))), 0);
  EXPECT_GT(Ink(Draw(Line({{-50, 50}, {150, 50}}))), 300);
}

TEST(StrokesTest, BadFieldsAreNamed) {
  const auto refused = [](const std::function<void(Strokes&)>& spoil, const std::string& field) {
    Strokes strokes = Line({{1, 1}, {2, 2}});
    spoil(strokes);
    const auto image = RasterizeStrokes(strokes);
    EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field))) << field;
  };
  refused([](Strokes& s) { s.width = 0; }, "width");
  refused([](Strokes& s) { s.height = 10001; }, "height");
  refused([](Strokes& s) { s.strokes.clear(); }, "no point");
  refused([](Strokes& s) { s.strokes[0].width = -1; }, "strokes[0].width");
  refused([](Strokes& s) { s.strokes[0].width = NAN; }, "strokes[0].width");
  refused([](Strokes& s) { s.strokes[0].points[1].x = NAN; }, "strokes[0].points[1].x");
  refused([](Strokes& s) { s.strokes[0].points[0].y = 1e30F; }, "strokes[0].points[0].y");
  refused([](Strokes& s) { s.strokes[0].points[0].pressure = 2; }, "points[0].pressure");
  refused([](Strokes& s) { s.strokes.resize(2001); }, "strokes");
}

TEST(StrokesTest, MoreInkThanADrawingCanHaveIsRefused) {
  Strokes strokes = Line({}, 100);
  for (int i = 0; i < 100'000; ++i) {
    strokes.strokes[0].points.push_back({static_cast<float>(i % 2 * 100), 50});
  }
  const auto image = RasterizeStrokes(strokes);
  EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("ink")));
}

}  // namespace
}  // namespace s2p::test
