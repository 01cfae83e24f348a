#include "server/gallery/gallery_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/server/gallery/gallery_view_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// An exact index that notes for how many queries and rows it was asked.
class NotingIndex final : public Index {
 public:
  explicit NotingIndex(EmbeddingMatrix vectors) : index_(BuildExact(std::move(vectors))) {}
  std::string kind() const override { return index_->kind(); }
  int64_t size() const override { return index_->size(); }
  absl::Span<const float> vector(int64_t row) const override { return index_->vector(row); }
  bool exact() const override { return index_->exact(); }
  double recall() const override { return index_->recall(); }
  float tolerance() const override { return index_->tolerance(); }
  absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(const EmbeddingMatrix& queries,
                                                              int64_t k,
                                                              int64_t effort) const override {
    asked.emplace_back(queries.rows(), k);
    return index_->Search(queries, k, effort);
  }

  mutable std::vector<std::pair<int, int64_t>> asked;

 private:
  const std::unique_ptr<const Index> index_;
};

TEST_F(GalleryViewTest, QueryThatWantsManyRowsIsSearchedApartFromOthers) {
  constexpr int kRows = 6000;
  EmbeddingMatrix vectors(kRows, kDimension);
  auto base = std::make_shared<GalleryBase>();
  base->model = model_;
  base->attributes = EmbeddingMatrix(kRows, 1);
  std::vector<GalleryRow> rows = NewRows(kRows);
  std::sort(rows.begin(), rows.end(), [](const GalleryRow& a, const GalleryRow& b) {
    return a.item->photo_id < b.item->photo_id;
  });
  for (int i = 0; i < kRows; ++i) {
    base->items.push_back(rows[i].item);
    std::copy_n(rows[i].embedding.begin(), kDimension, vectors.row(i).begin());
  }
  auto index = std::make_unique<NotingIndex>(std::move(vectors));
  const NotingIndex& noting = *index;
  base->index = std::move(index);
  const IndexedGalleryView view(base);

  EmbeddingMatrix queries(3, kDimension);
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> query = RandomUnit();
    std::copy(query.begin(), query.end(), queries.row(i).begin());
  }
  std::vector<GallerySearchOptions> options(3);
  options[0].top_k = 20;
  options[1].top_k = 1000;
  const auto found = view.Search(queries, options);
  ASSERT_THAT(found, IsOk());
  EXPECT_THAT(noting.asked, ElementsAre(std::make_pair(1, int64_t{1000 + kIndexFetchSlack}),
                                        std::make_pair(2, int64_t{20 + kIndexFetchSlack})));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*found)[i].size(), static_cast<size_t>(options[i].top_k));
    EXPECT_THAT(BruteForce(queries.row(static_cast<int>(i)), options[i]).front(),
                testing::StartsWith((*found)[i].front().item->photo_id));
  }
}

TEST_F(GalleryViewTest, RankingIsThatOfAPlainLoop) {
  Build(6000);
  GallerySearchOptions options;
  for (int top_k : {1, 10, 500}) {
    options.top_k = top_k;
    ExpectBruteForce(options);
  }
}

TEST_F(GalleryViewTest, SmallGalleryIsRankedAsAPlainLoopDoes) {
  Build(200);
  GallerySearchOptions options;
  options.top_k = 1000;
  ExpectBruteForce(options);
}

TEST_F(GalleryViewTest, RankingHoldsWithTailAndRemovals) {
  Build(6000);
  Append(300);
  RemoveEvery(9);
  ASSERT_GT(view_->pending(), 0);
  ExpectBruteForce({});
}

TEST_F(GalleryViewTest, RankingHoldsAfterCompaction) {
  Build(3000);
  Append(2000);
  RemoveEvery(9);
  ASSERT_TRUE(view_->needs_compaction());
  view_ = *view_->Compacted(*builder_);
  EXPECT_EQ(view_->pending(), 0);
  EXPECT_EQ(view_->size(), static_cast<int64_t>(truth_.size()));
  ExpectBruteForce({});
}

TEST_F(GalleryViewTest, CompactedViewCatchesUpWithWhatWasWrittenMeanwhile) {
  Build(3000);
  Append(100);
  const auto compacted = *view_->Compacted(*builder_);
  Append(5);
  const std::vector<float> newer = RandomUnit();
  view_ = *view_->With({Row("p000007", newer)}, {"p000001", "p003001"});
  view_ = *compacted->CaughtUpWith(
      *view_, {"p000001", "p000007", "p003001", "p003100", "p003104", "came and went"});
  EXPECT_EQ(view_->size(), 3100);
  EXPECT_EQ(view_->Find("p000001"), nullptr);
  EXPECT_EQ(view_->Find("p003001"), nullptr);
  EXPECT_NE(view_->Find("p003104"), nullptr);
  EXPECT_EQ(view_->Find("p003103"), nullptr);
  EXPECT_EQ(*view_->EmbeddingOf("p000007"), absl::MakeConstSpan(newer));
}

// A write is recorded after it is published, so that a compaction may see it twice.
TEST_F(GalleryViewTest, WriteThatACompactedViewHasAlreadyAddsNothingToIt) {
  Build(3000);
  Append(100);
  const auto compacted = *view_->Compacted(*builder_);
  const auto caught_up = *compacted->CaughtUpWith(*view_, {"p003099", "p000007", "never there"});
  EXPECT_EQ(caught_up->pending(), 0);
  EXPECT_EQ(caught_up->size(), 3100);
}

TEST_F(GalleryViewTest, MinimumScoreCutsTheRanking) {
  Build(6000);
  GallerySearchOptions options;
  options.top_k = 1000;
  options.min_score = 0.5f;
  ExpectBruteForce(options);
}

TEST_F(GalleryViewTest, EachQueryOfABatchHasItsOwnOptions) {
  Build(6000);
  EmbeddingMatrix queries(3, kDimension);
  for (int i = 0; i < 3; ++i) {
    const std::vector<float> query = RandomUnit();
    std::copy(query.begin(), query.end(), queries.row(i).begin());
  }
  std::vector<GallerySearchOptions> options(3);
  options[0].top_k = 3;
  options[1].filter.metadata = {{"last", "7"}};
  options[2].top_k = 700;
  const auto results = view_->Search(queries, options);
  ASSERT_THAT(results, IsOk());
  const EmbeddingMatrix& const_queries = queries;
  for (int i = 0; i < 3; ++i) {
    const size_t at = static_cast<size_t>(i);
    EXPECT_EQ(Lines((*results)[at]), BruteForce(const_queries.row(i), options[at]));
  }
}

TEST_F(GalleryViewTest, EqualScoresAreOrderedById) {
  const std::vector<float> vector = RandomUnit();
  view_ = *BuildView(model_, {Row("b", vector), Row("c", vector)}, *builder_);
  view_ = *view_->With({Row("a", vector)}, {});
  GallerySearchOptions options;
  options.top_k = 2;
  EmbeddingMatrix query(1, kDimension);
  std::copy(vector.begin(), vector.end(), query.row(0).begin());
  const auto results = view_->Search(query, {&options, 1});
  ASSERT_EQ(results->front().size(), 2u);
  EXPECT_EQ(results->front()[0].item->photo_id, "a");
  EXPECT_EQ(results->front()[1].item->photo_id, "b");
}

TEST_F(GalleryViewTest, ManyEqualRowsBeyondTopKAreStillOrderedById) {
  // The index sees ties everywhere and must be searched until the rows end.
  const std::vector<float> vector = RandomUnit();
  std::vector<GalleryRow> rows;
  for (int i = 0; i < 5000; ++i) rows.push_back(Row(absl::StrFormat("p%06d", i), vector));
  std::shuffle(rows.begin(), rows.end(), random_);
  truth_ = rows;
  view_ = *BuildView(model_, std::move(rows), *builder_);
  ExpectBruteForce(3, {});
}

TEST_F(GalleryViewTest, MatchCarriesItsAttributes) {
  Build(5);
  GallerySearchOptions options;
  options.top_k = 5;
  const auto results = view_->Search(EmbeddingMatrix(1, kDimension), {&options, 1});
  for (const GalleryMatch& match : results->front()) {
    const auto row = std::find_if(truth_.begin(), truth_.end(), [&](const GalleryRow& candidate) {
      return candidate.item == match.item;
    });
    ASSERT_NE(row, truth_.end());
    EXPECT_THAT(match.attributes, ElementsAre(row->attributes[0]));
  }
}

TEST_F(GalleryViewTest, EmptyGalleryFindsNothing) {
  Build(0);
  const GallerySearchOptions options;
  const auto results = view_->Search(EmbeddingMatrix(1, kDimension), {&options, 1});
  ASSERT_THAT(results, IsOk());
  EXPECT_THAT(results->front(), IsEmpty());
}

TEST_F(GalleryViewTest, QueryOfAnotherDimensionIsInvalid) {
  Build(3);
  const GallerySearchOptions options;
  EXPECT_THAT(view_->Search(EmbeddingMatrix(1, kDimension + 1), {&options, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(GalleryViewTest, UpsertTakesThePlaceOfTheOldRow) {
  Build(3);
  const std::vector<float> vector = RandomUnit();
  view_ = *view_->With({Row("p000001", vector)}, {});
  EXPECT_EQ(view_->size(), 3);
  EXPECT_EQ(*view_->EmbeddingOf("p000001"), absl::MakeConstSpan(vector));
  const std::vector<float> newer = RandomUnit();
  view_ = *view_->With({Row("p000001", newer)}, {});
  EXPECT_EQ(view_->size(), 3);
  EXPECT_EQ(*view_->EmbeddingOf("p000001"), absl::MakeConstSpan(newer));
}

TEST_F(GalleryViewTest, RemovedRowIsNotFoundAndMayComeBack) {
  Build(3);
  view_ = *view_->With({}, {"p000001", "never there"});
  EXPECT_EQ(view_->Find("p000001"), nullptr);
  EXPECT_THAT(view_->EmbeddingOf("p000001"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(view_->size(), 2);
  view_ = *view_->With({Row("p000001", RandomUnit())}, {});
  EXPECT_NE(view_->Find("p000001"), nullptr);
  EXPECT_EQ(view_->size(), 3);
}

TEST_F(GalleryViewTest, OlderViewDoesNotChange) {
  Build(3);
  const auto older = view_;
  Append(2);
  view_ = *view_->With({}, {"p000000"});
  EXPECT_EQ(older->size(), 3);
  EXPECT_NE(older->Find("p000000"), nullptr);
  EXPECT_EQ(older->Find("p000003"), nullptr);
}

TEST_F(GalleryViewTest, VectorThatIsNotAUnitVectorIsRefused) {
  std::vector<float> vector = RandomUnit();
  vector[0] = std::numeric_limits<float>::quiet_NaN();
  const auto status = BuildView(model_, {Row("a", vector)}, *builder_).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("photo_id 'a': embedding: its norm is not 1")));
  EXPECT_FALSE(BuildView(model_, {Row("a", std::vector<float>(kDimension))}, *builder_).ok());
}

}  // namespace
}  // namespace s2p::test
