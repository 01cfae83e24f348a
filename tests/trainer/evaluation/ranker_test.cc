#include "trainer/evaluation/ranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using testing::UnorderedElementsAre;

TEST(GalleryIdentitiesTest, RowsAreThoseOfTheirIdentity) {
  const GalleryIdentities identities({"b", "a", "b"});
  EXPECT_THAT(identities.RowsOf(identities.NumberOf("b")), ElementsAre(0, 2));
  EXPECT_EQ(identities.OfRow(1), identities.NumberOf("a"));
  EXPECT_EQ(identities.NumberOf("c"), -1);
  EXPECT_THAT(identities.RowsOf(-1), testing::IsEmpty());
}

TEST(BestRowsTest, RowsWithinTwiceTheErrorOfTheLastOneAreKept) {
  BestRows best(2, /*error=*/0.1F);
  const float scores[] = {0.5F, 0.9F, 0.1F, 0.7F, 0.52F};
  for (int row = 0; row < 5; ++row) best.Add(row, scores[row]);
  EXPECT_TRUE(best.MayKeep(0.51F));
  EXPECT_FALSE(best.MayKeep(0.49F));
  EXPECT_THAT(std::move(best).Rows(), UnorderedElementsAre(0, 1, 3, 4));
}

TEST(BestRowsTest, AscendingScoresDoNotPileUpRows) {
  BestRows best(3, /*error=*/0);
  for (int row = 0; row < 10'000; ++row) best.Add(row, static_cast<float>(row));
  EXPECT_THAT(std::move(best).Rows(), UnorderedElementsAre(9'997, 9'998, 9'999));
}

TEST(BestRowsTest, EqualScoresAreAllKept) {
  BestRows best(2, /*error=*/0);
  for (int row = 0; row < 100; ++row) best.Add(row, kLastScore);
  EXPECT_THAT(std::move(best).Rows(), SizeIs(100));
}

// The scores of one query, whose true matches are rows 1 and 5.
class RankerTest : public testing::Test {
 protected:
  // Ranks the scores, less `shift`, in pieces of `piece` rows.
  QueryRanking Rank(int piece, float error, float shift) {
    Ranker ranker(identities_, identities_.NumberOf("match"), error,
                  [this](int row) { return exact_[static_cast<size_t>(row)]; });
    for (size_t begin = 0; begin < exact_.size(); begin += static_cast<size_t>(piece)) {
      std::vector<float> scores;
      for (size_t i = begin; i < std::min(begin + static_cast<size_t>(piece), exact_.size()); ++i) {
        scores.push_back(exact_[i] - shift);
      }
      ranker.Add(static_cast<int>(begin), absl::MakeSpan(scores));
    }
    return std::move(ranker).Finish();
  }

  const GalleryIdentities identities_{{"a", "match", "b", "c", "d", "match", "e"}};
  const std::vector<float> exact_ = {0.9F, 0.7F, 0.70001F, 0.1F, 0.69999F, 0.3F, 0.30001F};
};

TEST_F(RankerTest, PiecesGiveTheRanksOfTheWhole) {
  for (int piece = 1; piece <= 7; ++piece) {
    const QueryRanking ranking = Rank(piece, /*error=*/0, /*shift=*/0);
    EXPECT_THAT(ranking.ranks, ElementsAre(3, 6)) << piece;
    EXPECT_THAT(ranking.top, ElementsAre(0, 2, 1, 4, 6, 5, 3)) << piece;
    EXPECT_FLOAT_EQ(ranking.margin, 0.7F - 0.9F) << piece;
  }
}

TEST_F(RankerTest, ErrorsWithinTheBoundChangeNothing) {
  for (const float shift : {-0.05F, 0.05F}) {
    const QueryRanking ranking = Rank(3, /*error=*/0.06F, shift);
    EXPECT_THAT(ranking.ranks, ElementsAre(3, 6));
    EXPECT_THAT(ranking.top, ElementsAre(0, 2, 1, 4, 6, 5, 3));
    EXPECT_FLOAT_EQ(ranking.margin, 0.7F - 0.9F);
  }
}

TEST_F(RankerTest, QueryOfAnIdentityThatIsMissingHasNoRanks) {
  Ranker ranker(identities_, /*identity=*/-1, /*error=*/0,
                [this](int row) { return exact_[static_cast<size_t>(row)]; });
  std::vector<float> scores = exact_;
  ranker.Add(0, absl::MakeSpan(scores));
  const QueryRanking ranking = std::move(ranker).Finish();
  EXPECT_THAT(ranking.ranks, testing::IsEmpty());
  EXPECT_EQ(ranking.margin, 0);
  EXPECT_THAT(ranking.top, ElementsAre(0, 2, 1, 4, 6, 5, 3));
}

}  // namespace
}  // namespace s2p
