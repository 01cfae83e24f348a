#include "trainer/pictures/learning_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "model/file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/pictures/picture_pixels.h"

namespace s2p {
namespace {

using test::CountPixels;
using test::IsOk;
using test::PixelAt;
using test::RowOf;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

EpochPoint Point(int step, int epoch, std::vector<std::pair<std::string, double>> losses = {}) {
  EpochPoint point;
  point.ihda_step = step;
  point.epoch = epoch;
  point.losses = std::move(losses);
  point.learning_rate = 1e-3;
  return point;
}

// One point per epoch of step 2 with these values of the identity loss.
std::vector<EpochPoint> Identity(const std::vector<double>& values) {
  std::vector<EpochPoint> points;
  for (size_t i = 0; i < values.size(); ++i) {
    points.push_back(Point(2, static_cast<int>(i) + 1, {{"identity", values[i]}}));
  }
  return points;
}

// Middle of epoch `i` of `n`.
double EpochX(int i, int n) { return kLossPanel.x + (i - 0.5) * kLossPanel.width / n; }

int IdentityRow(const Image& image, int i, int n) {
  return RowOf(image, kLossPanel, EpochX(i, n), LossColor("identity"));
}

Image Draw(const std::vector<EpochPoint>& points) {
  auto image = DrawLearningCurve(points, "run");
  EXPECT_THAT(image, IsOk());
  return *std::move(image);
}

TEST(LearningCurveTest, HasItsSizeWithAndWithoutEpochs) {
  for (const auto& points : {std::vector<EpochPoint>(), Identity({1}), Identity({3, 2, 1})}) {
    const Image image = Draw(points);
    EXPECT_EQ(image.width(), 1200);
    EXPECT_EQ(image.height(), 800);
  }
}

TEST(LearningCurveTest, WithoutEpochsWordsStandInTheMiddleOfThePanel) {
  const CanvasBox middle{kLossPanel.x + kLossPanel.width / 2 - 110,
                         kLossPanel.y + kLossPanel.height / 2 - 22, 220, 28};
  const Color white{255, 255, 255};
  const int empty = CountPixels(Draw({}), middle, white);
  const int drawn = CountPixels(Draw(Identity({1})), middle, white);
  EXPECT_LT(empty, drawn - 500);
}

TEST(LearningCurveTest, OneEpochIsADotInTheMiddle) {
  const Image image = Draw(Identity({1}));
  EXPECT_GT(IdentityRow(image, 1, 1), 0);
}

TEST(LearningCurveTest, SmallerLossIsDrawnLower) {
  const Image image = Draw(Identity({4, 2, 1}));
  EXPECT_LT(IdentityRow(image, 1, 3), IdentityRow(image, 2, 3));
  EXPECT_LT(IdentityRow(image, 2, 3), IdentityRow(image, 3, 3));
}

TEST(LearningCurveTest, LinearScaleHalvesTheHeightOfHalfTheLoss) {
  const Image image = Draw(Identity({4, 2}));
  const double bottom = kLossPanel.y + kLossPanel.height;
  EXPECT_NEAR(bottom - IdentityRow(image, 1, 2), 2 * (bottom - IdentityRow(image, 2, 2)), 8);
}

TEST(LearningCurveTest, LogScaleGivesEqualRatiosEqualHeights) {
  const std::vector<EpochPoint> points = Identity({100, 10, 1, 0.1});
  ASSERT_TRUE(UsesLogScale(points));
  const Image image = Draw(points);
  const int first = IdentityRow(image, 2, 4) - IdentityRow(image, 1, 4);
  const int last = IdentityRow(image, 4, 4) - IdentityRow(image, 3, 4);
  EXPECT_GT(first, 50);
  EXPECT_NEAR(first, last, 4);
}

TEST(LearningCurveTest, ScaleIsLogarithmicBeyondAFactorOfAHundred) {
  EXPECT_FALSE(UsesLogScale(Identity({1, 100})));
  EXPECT_TRUE(UsesLogScale(Identity({1, 101})));
  EXPECT_TRUE(UsesLogScale(Identity({0, 1, 101})));
  EXPECT_FALSE(UsesLogScale(Identity({-1, 1, 101})));
  EXPECT_FALSE(UsesLogScale(Identity({kNan})));
  EXPECT_FALSE(UsesLogScale({}));
}

TEST(LearningCurveTest, ZeroLiesOnTheLowerEndOfALogScale) {
  const Image image = Draw(Identity({1000, 0, 1}));
  EXPECT_NEAR(IdentityRow(image, 2, 3), kLossPanel.y + kLossPanel.height, 5);
}

TEST(LearningCurveTest, NanAndInfinityAreGaps) {
  const Image whole = Draw(Identity({2, 2, 2, 2, 2}));
  const Image torn = Draw(Identity({2, 2, kNan, std::numeric_limits<double>::infinity(), 2}));
  EXPECT_GT(IdentityRow(whole, 3, 5), 0);
  EXPECT_EQ(IdentityRow(torn, 3, 5), -1);
  EXPECT_EQ(IdentityRow(torn, 4, 5), -1);
  EXPECT_EQ(IdentityRow(torn, 5, 5), IdentityRow(whole, 5, 5));
}

TEST(LearningCurveTest, RunOfNothingButNanIsDrawn) {
  const Image image = Draw(Identity({kNan, kNan}));
  EXPECT_EQ(CountPixels(image, kLossPanel, LossColor("identity")), 0);
}

TEST(LearningCurveTest, EveryTermHasItsLineAndItsLegend) {
  const Image image = Draw({Point(2, 1, {{"identity", 3}, {"triplet", 2}, {"total", 5}}),
                            Point(2, 2, {{"identity", 2}, {"triplet", 1}, {"total", 3}})});
  const CanvasBox legend{kLossPanel.x + kLossPanel.width + 16, kLossPanel.y, 40, 200};
  for (const char* term : {"identity", "triplet", "total"}) {
    EXPECT_GT(CountPixels(image, kLossPanel, LossColor(term)), 100) << term;
    EXPECT_GT(CountPixels(image, legend, LossColor(term)), 20) << term;
  }
  EXPECT_EQ(CountPixels(image, legend, LossColor("domain")), 0);
}

TEST(LearningCurveTest, RankOneAndMapAreInTheirPanel) {
  std::vector<EpochPoint> points = Identity({2, 1});
  points[0].rank1 = 0.5;
  points[1].rank1 = 0.5;
  points[1].mean_average_precision = 0.25;
  const Image image = Draw(points);
  const double bottom = kAccuracyPanel.y + kAccuracyPanel.height;
  const int rank1 = RowOf(image, kAccuracyPanel, EpochX(2, 2), kRank1Color);
  const int map = RowOf(image, kAccuracyPanel, EpochX(2, 2), kMapColor);
  EXPECT_NEAR(bottom - rank1, 2 * (bottom - map), 8);
  EXPECT_EQ(RowOf(image, kAccuracyPanel, EpochX(1, 2), kMapColor), -1);
}

TEST(LearningCurveTest, RuleStandsBetweenTheSteps) {
  const double between = kLossPanel.x + kLossPanel.width / 4;
  const auto dark = [&](const std::vector<EpochPoint>& points) {
    const Image image = Draw(points);
    int rows = 0;
    for (double y = kLossPanel.y + 2; y < kLossPanel.y + kLossPanel.height - 2; ++y) {
      rows += PixelAt(image, between, y).red < 180 ? 1 : 0;
    }
    return rows;
  };
  // The first of four epochs is step 1's, or all are step 2's.
  EXPECT_GT(dark({Point(1, 1), Point(2, 1), Point(2, 2), Point(2, 3)}), 150);
  EXPECT_EQ(dark({Point(2, 1), Point(2, 2), Point(2, 3), Point(2, 4)}), 0);
}

TEST(LearningCurveTest, SameTermHasTheSameColourAndOthersDiffer) {
  EXPECT_EQ(LossColor("identity"), LossColor("identity"));
  EXPECT_FALSE(LossColor("identity") == LossColor("triplet"));
  EXPECT_FALSE(LossColor("of a later version") == LossColor("total"));
}

TEST(LearningCurveTest, WritesAPngAndNothingBesides) {
  const test::TempDir dir;
  const std::string path = dir.File("curve.png");
  ASSERT_THAT(WriteLearningCurve({}, "run", path), IsOk());
  ASSERT_THAT(WriteLearningCurve(Identity({2, 1}), "run", path), IsOk());
  const auto image = DecodeImage(*ReadWholeFile(path, 1 << 24));
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(image->pixels(), Draw(Identity({2, 1})).pixels());
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(LearningCurveTest, UnwritablePathIsNamed) {
  const test::TempDir dir;
  const absl::Status missing = WriteLearningCurve({}, "", dir.File("no/curve.png"));
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir.File("no/curve.png"))));
  std::filesystem::create_directories(dir.File("folder.png/in"));
  const absl::Status folder = WriteLearningCurve({}, "", dir.File("folder.png"));
  EXPECT_THAT(std::string(folder.message()), HasSubstr(dir.File("folder.png") + ": rename"));
  EXPECT_FALSE(std::filesystem::exists(dir.File("folder.png.tmp")));
}

class ReadEpochPointsTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<EpochPoint>> Read(const std::string& text) {
    std::ofstream(path_) << text;
    return ReadEpochPoints(path_);
  }
  static std::string Line(int step, int epoch) {
    return "{\"ihdaStep\":" + std::to_string(step) + ",\"epoch\":" + std::to_string(epoch) + "}\n";
  }
  // "step.epoch" of each point.
  static std::vector<std::string> Places(const std::vector<EpochPoint>& points) {
    std::vector<std::string> places;
    for (const EpochPoint& point : points) {
      places.push_back(std::to_string(point.ihda_step) + "." + std::to_string(point.epoch));
    }
    return places;
  }

  test::TempDir dir_;
  const std::string path_ = dir_.File("metrics.jsonl");
};

TEST_F(ReadEpochPointsTest, EveryFieldIsRead) {
  const auto points = Read(
      R"({"ihdaStep":2,"epoch":3,"losses":[{"name":"identity","value":1.5},)"
      R"({"name":"triplet","value":"NaN"}],"learningRate":0.25,"rank1":0.5,"mAP":0.75,"new":1})"
      "\n");
  ASSERT_THAT(points, IsOk());
  ASSERT_EQ(points->size(), 1u);
  const EpochPoint& point = points->front();
  EXPECT_EQ(point.ihda_step, 2);
  EXPECT_EQ(point.epoch, 3);
  EXPECT_THAT(point.losses[0], Pair("identity", 1.5));
  EXPECT_TRUE(std::isnan(point.losses[1].second));
  EXPECT_EQ(point.learning_rate, 0.25);
  EXPECT_EQ(point.rank1, 0.5);
  EXPECT_EQ(point.mean_average_precision, 0.75);
}

TEST_F(ReadEpochPointsTest, BeforeTheFirstEvaluationThereIsNoRank) {
  const auto points = Read(Line(1, 1));
  EXPECT_FALSE(points->front().rank1.has_value());
  EXPECT_FALSE(points->front().mean_average_precision.has_value());
}

TEST_F(ReadEpochPointsTest, TornLastLineIsLeftOut) {
  const std::string text = Line(1, 1) + Line(1, 2);
  for (size_t cut = 0; cut < Line(1, 2).size(); ++cut) {
    const auto points = Read(text.substr(0, Line(1, 1).size() + cut));
    ASSERT_THAT(points, IsOk());
    EXPECT_THAT(Places(*points), ElementsAre("1.1")) << "cut at " << cut;
  }
}

TEST_F(ReadEpochPointsTest, TornLineInTheMiddleCostsThatLineAlone) {
  const auto points = Read(Line(1, 1) + "{\"ihdaStep\":1,\"epo" + Line(1, 2) + Line(1, 3));
  ASSERT_THAT(points, IsOk());
  EXPECT_THAT(Places(*points), ElementsAre("1.1", "1.3"));
}

TEST_F(ReadEpochPointsTest, EpochsThatWereTrainedAgainReplaceTheFirst) {
  const auto points = Read(Line(1, 1) + Line(1, 2) + Line(2, 1) + Line(1, 2) + Line(2, 1));
  EXPECT_THAT(Places(*points), ElementsAre("1.1", "1.2", "2.1"));
}

TEST_F(ReadEpochPointsTest, EmptyLogHasNoPoints) { EXPECT_TRUE(Read("")->empty()); }

TEST_F(ReadEpochPointsTest, FileThatIsNoLogIsDataLoss) {
  const auto points = Read("hello\nworld\n");
  EXPECT_THAT(points, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("none of its 2 lines")));
  EXPECT_THAT(std::string(points.status().message()), HasSubstr(path_));
}

TEST_F(ReadEpochPointsTest, MissingFileIsNotFound) {
  EXPECT_THAT(ReadEpochPoints(dir_.File("none")), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p
