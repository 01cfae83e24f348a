#include "client/ranking_score.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

constexpr bool kMatch = true;
constexpr bool kOther = false;

TEST(RankingScoreTest, FirstMatchDecidesTheRanks) {
  RankingScore score;
  score.Add({{0.9F, kOther}, {0.8F, kMatch}, {0.7F, kOther}}, 1);
  EXPECT_EQ(score.rank(0), 0);
  EXPECT_EQ(score.rank(1), 1);
  EXPECT_EQ(score.queries(), 1);
}

TEST(RankingScoreTest, PrecisionIsAveragedOverMatchesAndQueries) {
  RankingScore score;
  score.Add({{0.9F, kMatch}, {0.8F, kOther}, {0.7F, kMatch}}, 2);  // (1/1 + 2/3) / 2
  score.Add({{0.9F, kOther}, {0.8F, kMatch}}, 1);                  // 1/2
  EXPECT_DOUBLE_EQ(*score.mean_average_precision(), (5.0 / 6 + 0.5) / 2);
}

TEST(RankingScoreTest, TiesCountAgainstUs) {
  RankingScore score;
  score.Add({{0.9F, kMatch}, {0.9F, kOther}, {0.9F, kOther}}, 1);
  EXPECT_EQ(score.rank(0), 0);
  EXPECT_DOUBLE_EQ(*score.mean_average_precision(), 1.0 / 3);
}

TEST(RankingScoreTest, TiesBetweenMatchesDoNotCount) {
  RankingScore score;
  score.Add({{0.9F, kMatch}, {0.9F, kMatch}, {0.1F, kOther}}, 2);
  EXPECT_DOUBLE_EQ(*score.mean_average_precision(), 1);
}

TEST(RankingScoreTest, QueryWithoutMatchInTheGalleryIsUnmatched) {
  RankingScore score;
  score.Add({{0.9F, kOther}}, 0);
  EXPECT_EQ(score.queries(), 0);
  EXPECT_EQ(score.unmatched(), 1);
  EXPECT_FALSE(score.mean_average_precision().has_value());
}

TEST(RankingScoreTest, PrecisionIsUnknownWhenARankingEndsTooEarly) {
  RankingScore score;
  score.Add({{0.9F, kMatch}}, 2);
  EXPECT_EQ(score.rank(0), 1);
  EXPECT_FALSE(score.mean_average_precision().has_value());
}

}  // namespace
}  // namespace s2p
