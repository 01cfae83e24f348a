#include "trainer/evaluation/paired_comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

// Values of A and B, each a group of its own.
std::vector<PairedValue> Pairs(const std::vector<std::pair<double, double>>& values) {
  std::vector<PairedValue> pairs;
  for (const auto& [a, b] : values) pairs.push_back({a, b, absl::StrCat(pairs.size())});
  return pairs;
}

// A query of identity `path` whose photo has this rank; the average precision of one true match.
QueryResult Query(const std::string& path, int rank) {
  const double share = rank == 0 ? 0 : 1.0 / rank;
  return {path, path, rank, share, share};
}

TEST(DifferenceOfTest, IsTheMeanWithItsErrorAndInterval) {
  // d = 1, 0, 0, -1, 1: mean 0.2, s^2 = (0.64 + 0.04 + 0.04 + 1.44 + 0.64) / 4 = 0.7.
  const auto difference = DifferenceOf(Pairs({{0, 1}, {1, 1}, {0, 0}, {1, 0}, {0, 1}}));
  EXPECT_DOUBLE_EQ(difference.a, 0.4);
  EXPECT_DOUBLE_EQ(difference.b, 0.6);
  EXPECT_DOUBLE_EQ(difference.difference, 0.2);
  EXPECT_EQ(difference.values, 5);
  EXPECT_EQ(difference.groups, 5);
  EXPECT_NEAR(*difference.standard_error, std::sqrt(0.7 / 5), 1e-12);
  EXPECT_NEAR(*difference.low, 0.2 - 2.7764 * std::sqrt(0.14), 1e-12);
  EXPECT_NEAR(*difference.high, 0.2 + 2.7764 * std::sqrt(0.14), 1e-12);
}

TEST(DifferenceOfTest, ValuesOfOneGroupDoNotAddCertainty) {
  const auto once = DifferenceOf(Pairs({{0, 1}, {0, 0}, {0, 1}}));
  const auto twice =
      DifferenceOf({{0, 1, "x"}, {0, 1, "x"}, {0, 0, "y"}, {0, 0, "y"}, {0, 1, "z"}, {0, 1, "z"}});
  EXPECT_EQ(twice.values, 6);
  EXPECT_EQ(twice.groups, 3);
  EXPECT_DOUBLE_EQ(twice.difference, once.difference);
  EXPECT_NEAR(*twice.standard_error, *once.standard_error, 1e-12);
}

TEST(DifferenceOfTest, GroupsOfUnequalSizeByHand) {
  // Mean 2 / 3; sums less their share: 2 - 4/3 = 2/3 and 0 - 2/3; error sqrt(2 * 8/9) / 3.
  const auto difference = DifferenceOf({{0, 1, "x"}, {0, 1, "x"}, {1, 1, "y"}});
  EXPECT_NEAR(*difference.standard_error, std::sqrt(2 * 8.0 / 9) / 3, 1e-12);
}

TEST(DifferenceOfTest, OneGroupHasNoError) {
  const auto difference = DifferenceOf({{0, 1, "x"}, {0, 0, "x"}});
  EXPECT_DOUBLE_EQ(difference.difference, 0.5);
  EXPECT_FALSE(difference.standard_error || difference.low || difference.high);
}

TEST(StudentQuantileTest, IsThatOfTheTables) {
  const std::pair<int64_t, double> table[] = {{1, 12.7062}, {4, 2.7764},   {10, 2.2281},
                                              {11, 2.2010}, {20, 2.0860},  {30, 2.0423},
                                              {60, 2.0003}, {120, 1.9799}, {1'000'000, 1.9600}};
  for (const auto& [degrees, quantile] : table) {
    EXPECT_NEAR(StudentQuantile(degrees), quantile, 0.001) << degrees;
  }
}

TEST(BootstrapConfidenceTest, EqualIsNotBetter) {
  EXPECT_EQ(BootstrapConfidence(Pairs({{0.5, 0.5}, {0, 0}, {1, 1}}), 0), 0);
}

TEST(BootstrapConfidenceTest, BetterOnEveryQueryIsCertain) {
  const auto pairs = Pairs({{0, 0.5}, {0.1, 0.6}, {0.2, 0.7}});
  EXPECT_EQ(BootstrapConfidence(pairs, 0), 1);
  EXPECT_EQ(BootstrapConfidence(pairs, 0.49), 1);
  EXPECT_EQ(BootstrapConfidence(pairs, 0.51), 0);
}

TEST(BootstrapConfidenceTest, OneBetterQueryOfTwoIsInThreeResamplingsOfFour) {
  // (better, better), (better, equal), (equal, better), (equal, equal); its error is 0.004.
  EXPECT_NEAR(BootstrapConfidence(Pairs({{0, 1}, {1, 1}}), 0), 0.75, 0.02);
  // Half a point on average, in three of them, too.
  EXPECT_NEAR(BootstrapConfidence(Pairs({{0, 1}, {1, 1}}), 0.5), 0.75, 0.02);
  EXPECT_NEAR(BootstrapConfidence(Pairs({{0, 1}, {1, 1}}), 0.51), 0.25, 0.02);
}

TEST(BootstrapConfidenceTest, QueriesOfOneIdentityAreDrawnTogether) {
  const std::vector<PairedValue> pairs = {{0, 1, "x"}, {0, 1, "x"}, {0, 1, "x"}, {1, 1, "y"}};
  EXPECT_NEAR(BootstrapConfidence(pairs, 0), 0.75, 0.02);
}

TEST(BootstrapConfidenceTest, IsTheSameEachTime) {
  const auto pairs = Pairs({{0, 1}, {1, 0.5}, {1, 1}});
  EXPECT_EQ(BootstrapConfidence(pairs, 0), BootstrapConfidence(pairs, 0));
}

TEST(BootstrapConfidenceTest, NotANumberIsNotBetter) {
  EXPECT_EQ(BootstrapConfidence(Pairs({{0, std::nan("")}}), 0), 0);
}

TEST(BootstrapNotWorseTest, EqualIsNotWorse) {
  EXPECT_EQ(BootstrapNotWorse(Pairs({{0.5, 0.5}, {0, 0}, {1, 1}}), 0), 1);
}

TEST(BootstrapNotWorseTest, LossWithinTheToleranceIsNone) {
  const auto pairs = Pairs({{0.5, 0.4}, {0.3, 0.2}});
  EXPECT_EQ(BootstrapNotWorse(pairs, 0.11), 1);
  EXPECT_EQ(BootstrapNotWorse(pairs, 0.09), 0);
}

TEST(BootstrapNotWorseTest, OneLostQueryOfTwoIsLostInThreeResamplingsOfFour) {
  EXPECT_NEAR(BootstrapNotWorse(Pairs({{1, 0}, {1, 1}}), 0.1), 0.25, 0.02);
  EXPECT_NEAR(BootstrapNotWorse(Pairs({{1, 0}, {1, 1}}), 0.5), 0.75, 0.02);
}

TEST(BootstrapNotWorseTest, NotANumberIsWorse) {
  EXPECT_EQ(BootstrapNotWorse(Pairs({{0, std::nan("")}}), 1), 0);
}

TEST(PairQueriesTest, QueriesAreMatchedByPathAndUnmatchedOnesAreLeftOut) {
  const auto pairs = PairQueries({Query("x", 1), Query("y", 4), Query("none", 0)},
                                 {Query("none", 0), Query("y", 2), Query("x", 5)}, "mAP");
  ASSERT_THAT(pairs, IsOk());
  ASSERT_EQ(pairs->size(), 2u);
  EXPECT_EQ((*pairs)[0].group, "x");
  EXPECT_EQ((*pairs)[0].a, 1);
  EXPECT_EQ((*pairs)[0].b, 0.2);
  EXPECT_EQ((*pairs)[1].a, 0.25);
  EXPECT_EQ((*pairs)[1].b, 0.5);
}

TEST(PairQueriesTest, RankCountsWithinTheFirstK) {
  const std::vector<QueryResult> a = {Query("x", 5)}, b = {Query("x", 6)};
  EXPECT_EQ(PairQueries(a, b, "rank5")->front().a, 1);
  EXPECT_EQ(PairQueries(a, b, "rank5")->front().b, 0);
  EXPECT_EQ(PairQueries(a, b, "rank10")->front().b, 1);
}

TEST(PairQueriesTest, OtherQueriesAreRefused) {
  for (const auto& b : {std::vector<QueryResult>{Query("x", 1)},
                        std::vector<QueryResult>{Query("x", 1), Query("z", 1)},
                        std::vector<QueryResult>{Query("x", 1), Query("y", 1), Query("z", 1)},
                        std::vector<QueryResult>{Query("x", 1), Query("x", 1)}}) {
    EXPECT_THAT(PairQueries({Query("x", 1), Query("y", 1)}, b, "mAP"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the same queries")));
  }
}

TEST(PairQueriesTest, AnotherGalleryIsRefused) {
  EXPECT_THAT(PairQueries({Query("x", 1)}, {Query("x", 0)}, "mAP"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the same gallery")));
}

TEST(PairQueriesTest, UnknownValuesGiveNone) {
  QueryResult without = Query("x", 1);
  without.average_precision.reset();
  EXPECT_THAT(*PairQueries({Query("x", 1)}, {without}, "mAP"), testing::IsEmpty());
  EXPECT_EQ(PairQueries({Query("x", 1)}, {without}, "rank1")->size(), 1u);
}

}  // namespace
}  // namespace s2p::test
