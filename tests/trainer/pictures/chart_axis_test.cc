#include "trainer/pictures/chart_axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s2p {
namespace {

using testing::ElementsAre;

std::vector<std::string> Labels(const ChartAxis& axis) {
  std::vector<std::string> labels;
  for (const ChartTick& tick : axis.ticks()) labels.push_back(tick.label);
  return labels;
}

TEST(ChartAxisTest, RoundUpGivesOneTwoOrFive) {
  EXPECT_DOUBLE_EQ(RoundUp125(1), 1);
  EXPECT_DOUBLE_EQ(RoundUp125(1.1), 2);
  EXPECT_DOUBLE_EQ(RoundUp125(3), 5);
  EXPECT_DOUBLE_EQ(RoundUp125(700), 1000);
  EXPECT_DOUBLE_EQ(RoundUp125(0.013), 0.02);
}

TEST(ChartAxisTest, LinearBeginsAtZeroAndEndsAtARoundNumber) {
  const ChartAxis axis = ChartAxis::Linear(1, 4.3);
  EXPECT_THAT(Labels(axis), ElementsAre("0", "1", "2", "3", "4", "5"));
  EXPECT_DOUBLE_EQ(axis.PositionOf(2.5), 0.5);
}

TEST(ChartAxisTest, LinearReachesBelowZeroWhereValuesDo) {
  const ChartAxis axis = ChartAxis::Linear(-3, 2);
  EXPECT_THAT(Labels(axis), ElementsAre("-3", "-2", "-1", "0", "1", "2"));
  EXPECT_DOUBLE_EQ(axis.PositionOf(-3), 0);
}

TEST(ChartAxisTest, NothingButZeroHasAnAxis) {
  EXPECT_EQ(ChartAxis::Linear(0, 0).PositionOf(0), 0);
  EXPECT_GE(ChartAxis::Linear(0, 0).ticks().size(), 2u);
}

TEST(ChartAxisTest, LogarithmicMarksOneTwoFive) {
  const ChartAxis axis = ChartAxis::Logarithmic(0.3, 12);
  EXPECT_THAT(Labels(axis), ElementsAre("0.2", "0.5", "1", "2", "5", "10", "20"));
  EXPECT_DOUBLE_EQ(axis.PositionOf(2), 0.5);
  EXPECT_EQ(axis.PositionOf(0), 0);
  EXPECT_EQ(axis.PositionOf(1e9), 1);
}

TEST(ChartAxisTest, LongLogarithmicLabelsPowersOfTenAlone) {
  const ChartAxis axis = ChartAxis::Logarithmic(0.001, 10);
  EXPECT_THAT(Labels(axis),
              ElementsAre("0.001", "", "", "0.01", "", "", "0.1", "", "", "1", "", "", "10"));
}

TEST(ChartAxisTest, RoundEndsOfALogarithmicAxisStay) {
  for (const double end : {1.0, 2.0, 5.0, 0.01, 0.02, 0.05}) {
    const ChartAxis axis = ChartAxis::Logarithmic(end, end * 1000);
    EXPECT_NEAR(axis.ticks().front().value, end, 1e-9 * end);
    EXPECT_NEAR(axis.PositionOf(end), 0, 1e-9);
  }
}

}  // namespace
}  // namespace s2p
