#include "server/index/index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/server/random_units.h"

namespace s2p {
namespace {

using test::RandomUnits;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int64_t> RowsOf(const std::vector<IndexMatch>& matches) {
  std::vector<int64_t> rows;
  for (const IndexMatch& match : matches) rows.push_back(match.row);
  return rows;
}

TEST(IndexTest, RowsComeByFallingInnerProduct) {
  EmbeddingMatrix vectors(3, 2);
  const float values[] = {1, 0, 0, 1, 0.6f, 0.8f};
  std::copy(std::begin(values), std::end(values), vectors.data());
  const auto index = Index::BuildExact(vectors);
  EmbeddingMatrix query(1, 2);
  query.row(0)[0] = 1;
  const auto found = index->Search(query, 3);
  EXPECT_THAT(RowsOf(found->front()), ElementsAre(0, 2, 1));
  EXPECT_FLOAT_EQ(found->front()[1].score, 0.6f);
}

TEST(IndexTest, MoreThanThereAreGivesAll) {
  const auto index = Index::BuildExact(RandomUnits(3, 4, 1));
  const auto found = index->Search(RandomUnits(2, 4, 2), 100);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].size(), 3u);
  EXPECT_EQ((*found)[1].size(), 3u);
}

TEST(IndexTest, EmptyIndexFindsNothing) {
  const auto index = Index::BuildExact(EmbeddingMatrix(0, 4));
  EXPECT_EQ(index->size(), 0);
  EXPECT_THAT(index->Search(RandomUnits(1, 4, 1), 5)->front(), IsEmpty());
}

TEST(IndexTest, NoQueriesGiveNoResults) {
  const auto index = Index::BuildExact(RandomUnits(3, 4, 1));
  EXPECT_THAT(*index->Search(EmbeddingMatrix(0, 4), 5), IsEmpty());
}

TEST(IndexTest, VectorsAreKeptBitForBit) {
  const EmbeddingMatrix vectors = RandomUnits(5, 7, 1);
  const auto index = Index::BuildExact(vectors);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(index->vector(i), vectors.row(i));
}

TEST(IndexTest, ScoresAreWithinToleranceWhateverTheBatch) {
  const EmbeddingMatrix vectors = RandomUnits(2000, 512, 1);
  const auto index = Index::BuildExact(vectors);
  for (int batch : {1, 2, 19, 20, 64}) {
    const EmbeddingMatrix queries = RandomUnits(batch, 512, 2);
    const auto found = index->Search(queries, 2000);
    for (int i = 0; i < batch; ++i) {
      for (const IndexMatch& match : (*found)[static_cast<size_t>(i)]) {
        const float exact =
            CosineSimilarity(queries.row(i), vectors.row(static_cast<int>(match.row)));
        ASSERT_LE(std::abs(match.score - exact), index->tolerance());
      }
    }
  }
}

TEST(IndexTest, KindIsTheFactoryString) {
  EXPECT_EQ(Index::BuildExact(EmbeddingMatrix(0, 4))->kind(), "Flat");
}

}  // namespace
}  // namespace s2p
