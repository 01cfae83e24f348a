#include "server/gallery_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/indexed_gallery_view.h"
#include "tests/server/view_builder.h"

namespace s2p {
namespace {

using testing::BuildView;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kDimension = 24;

class GalleryViewTest : public ::testing::Test {
 protected:
  std::vector<float> RandomUnit() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimension);
    for (float& value : vector) value = normal(random_);
    NormalizeL2(absl::MakeSpan(vector));
    return vector;
  }
  GalleryRow Row(const std::string& photo_id, std::vector<float> embedding) {
    auto item = std::make_shared<GalleryItem>();
    item->photo_id = photo_id;
    item->metadata = {{"parity", photo_id.back() % 2 == 0 ? "even" : "odd"},
                      {"last", photo_id.substr(photo_id.size() - 1)}};
    std::uniform_real_distribution<float> uniform(0, 1);
    return {std::move(item), std::move(embedding), {uniform(random_)}};
  }
  // Adds `count` rows to the truth and returns them. Every seventh repeats an earlier vector, so
  // that there are ties.
  std::vector<GalleryRow> NewRows(int count) {
    std::vector<GalleryRow> rows;
    for (int i = 0; i < count; ++i) {
      std::vector<float> embedding = RandomUnit();
      if (i % 7 == 6) embedding = rows[static_cast<size_t>(i / 2)].embedding;
      rows.push_back(Row(absl::StrFormat("p%06d", next_id_++), std::move(embedding)));
    }
    std::shuffle(rows.begin(), rows.end(), random_);
    truth_.insert(truth_.end(), rows.begin(), rows.end());
    return rows;
  }
  void Build(int count) { view_ = *BuildView(model_, NewRows(count), *builder_); }
  void Append(int count) { view_ = *view_->With(NewRows(count), {}); }
  // Removes every `step`th row of the truth.
  void RemoveEvery(size_t step) {
    std::vector<std::string> removed;
    std::vector<GalleryRow> kept;
    for (size_t i = 0; i < truth_.size(); ++i) {
      if (i % step == 0) {
        removed.push_back(truth_[i].item->photo_id);
      } else {
        kept.push_back(truth_[i]);
      }
    }
    truth_ = std::move(kept);
    view_ = *view_->With({}, removed);
  }

  // What a plain loop over all rows finds: "id score".
  std::vector<std::string> BruteForce(absl::Span<const float> query,
                                      const GallerySearchOptions& options) const {
    std::vector<std::pair<float, std::string>> all;
    for (const GalleryRow& row : truth_) {
      if (!ItemPasses(*row.item, options.filter)) continue;
      bool passes = true;
      for (const AttributeBounds& bounds : options.filter.attributes) {
        passes = passes && row.attributes[0] >= bounds.min && row.attributes[0] <= bounds.max;
      }
      const float score = CosineSimilarity(query, row.embedding);
      if (passes && score >= options.min_score) all.emplace_back(-score, row.item->photo_id);
    }
    std::sort(all.begin(), all.end());
    if (all.size() > static_cast<size_t>(options.top_k)) {
      all.resize(static_cast<size_t>(options.top_k));
    }
    std::vector<std::string> lines;
    for (const auto& [negative, id] : all) {
      lines.push_back(absl::StrFormat("%s %.9g", id, -negative));
    }
    return lines;
  }
  static std::vector<std::string> Lines(const std::vector<GalleryMatch>& matches) {
    std::vector<std::string> lines;
    for (const GalleryMatch& match : matches) {
      lines.push_back(absl::StrFormat("%s %.9g", match.item->photo_id, match.score));
    }
    return lines;
  }
  // Searches with `batch` queries at once and compares each with the plain loop. Every fourth query
  // is a row of the gallery, which has ties where the row was repeated.
  void ExpectBruteForce(int batch, const GallerySearchOptions& options) {
    EmbeddingMatrix queries(batch, kDimension);
    for (int i = 0; i < batch; ++i) {
      std::vector<float> query = RandomUnit();
      if (i % 4 == 3) query = truth_[truth_.size() / 2 + static_cast<size_t>(i)].embedding;
      std::copy(query.begin(), query.end(), queries.row(i).begin());
    }
    const std::vector<GallerySearchOptions> all(static_cast<size_t>(batch), options);
    const auto results = view_->Search(queries, all);
    ASSERT_TRUE(results.ok()) << results.status();
    const EmbeddingMatrix& const_queries = queries;
    for (int i = 0; i < batch; ++i) {
      EXPECT_EQ(Lines((*results)[static_cast<size_t>(i)]),
                BruteForce(const_queries.row(i), options))
          << "query " << i << " of " << batch;
    }
  }
  void ExpectBruteForce(const GallerySearchOptions& options) {
    for (int batch : {1, 3, 32}) ExpectBruteForce(batch, options);
  }

  std::mt19937 random_{20240601};
  int next_id_ = 0;
  const GalleryViewModel model_{5, kDimension, {"boots"}};
  std::unique_ptr<const IndexBuilder> builder_ = testing::MakeIndexBuilder();
  std::shared_ptr<const IndexedGalleryView> view_;
  std::vector<GalleryRow> truth_;
};

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

TEST_F(GalleryViewTest, WideFilterGivesTheBestOfThoseThatPass) {
  Build(8000);
  Append(100);
  GallerySearchOptions options;
  options.filter.metadata = {{"parity", "even"}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewTest, NarrowFilterGivesTheBestOfThoseThatPass) {
  Build(8000);
  GallerySearchOptions options;
  options.top_k = 50;
  options.filter.metadata = {{"last", "3"}};
  options.filter.attributes = {{"boots", 0.5f, 0.6f}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewTest, FilterThatNothingPassesFindsNothing) {
  Build(5000);
  GallerySearchOptions options;
  options.filter.metadata = {{"last", "x"}};
  ExpectBruteForce(3, options);
  options.filter.metadata = {{"no such name", ""}};
  ExpectBruteForce(3, options);
}

TEST_F(GalleryViewTest, FilterHoldsForTailAndRemovals) {
  Build(5000);
  Append(200);
  RemoveEvery(3);
  GallerySearchOptions options;
  options.filter.metadata = {{"last", "5"}, {"parity", "odd"}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewTest, NarrowAttributeRangeGivesTheBestOfThoseThatPass) {
  Build(8000);
  GallerySearchOptions options;
  options.filter.attributes = {{"boots", 0.50f, 0.51f}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewTest, ApproximateIndexFindsNearlyAllWithExactScores) {
  builder_ = testing::MakeIndexBuilder("IVF64,Flat");
  Build(6000);
  Append(100);
  RemoveEvery(9);
  EXPECT_EQ(view_->index_kind(), "IVF64,Flat");
  EXPECT_GE(view_->index_recall(), 0.95);
  const GallerySearchOptions options;
  int found = 0;
  for (int i = 0; i < 50; ++i) {
    const std::vector<float> query = RandomUnit();
    EmbeddingMatrix queries(1, kDimension);
    std::copy(query.begin(), query.end(), queries.row(0).begin());
    const auto lines = Lines(view_->Search(queries, {&options, 1})->front());
    ASSERT_EQ(lines.size(), 10u);
    // A line has the score in all its digits: those that are found are found exactly.
    for (const std::string& line : BruteForce(query, options)) {
      found += static_cast<int>(std::count(lines.begin(), lines.end(), line));
    }
  }
  EXPECT_GE(found, 500 * 9 / 10);
}

TEST_F(GalleryViewTest, ApproximateIndexGivesTopKUnderAnyFilterThatSoManyPass) {
  builder_ = testing::MakeIndexBuilder("IVF64,SQ8");
  Build(6000);
  GallerySearchOptions options;
  options.top_k = 60;
  for (const char* last : {"1", "2"}) {
    for (const auto& [min, max] :
         {std::pair(0.f, 1.f), {0.4f, 0.9f}, {0.2f, 0.4f}, {0.5f, 0.52f}}) {
      options.filter.metadata = {{"last", last}};
      options.filter.attributes = {{"boots", min, max}};
      const std::vector<float> query = RandomUnit();
      EmbeddingMatrix queries(1, kDimension);
      std::copy(query.begin(), query.end(), queries.row(0).begin());
      const auto found = view_->Search(queries, {&options, 1});
      EXPECT_EQ(found->front().size(), BruteForce(query, options).size()) << last << " " << min;
    }
  }
}

TEST_F(GalleryViewTest, ApproximateIndexWithAMinimumScoreGivesAllAboveIt) {
  builder_ = testing::MakeIndexBuilder("IVF16,Flat");
  Build(4000);
  GallerySearchOptions options;
  options.top_k = 500;
  options.min_score = 0.99f;
  // Each is above the minimum with itself, and with its repetition where it has one.
  for (size_t i = 0; i < 40; ++i) {
    EmbeddingMatrix queries(1, kDimension);
    const std::vector<float>& query = truth_[i].embedding;
    std::copy(query.begin(), query.end(), queries.row(0).begin());
    EXPECT_EQ(Lines(view_->Search(queries, {&options, 1})->front()), BruteForce(query, options));
  }
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
  ASSERT_TRUE(results.ok()) << results.status();
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
  // The index sees ties everywhere and must be asked until the rows end.
  const std::vector<float> vector = RandomUnit();
  std::vector<GalleryRow> rows;
  for (int i = 0; i < 5000; ++i) rows.push_back(Row(absl::StrFormat("p%06d", i), vector));
  std::shuffle(rows.begin(), rows.end(), random_);
  truth_ = rows;
  view_ = *BuildView(model_, std::move(rows), *builder_);
  ExpectBruteForce(3, {});
}

TEST_F(GalleryViewTest, ExcludedIdsAreLeftOut) {
  Build(3000);
  GallerySearchOptions options;
  const std::vector<float> query = RandomUnit();
  const std::string best = BruteForce(query, options).front();
  options.filter.exclude_photo_ids = {best.substr(0, best.find(' '))};
  EmbeddingMatrix queries(1, kDimension);
  std::copy(query.begin(), query.end(), queries.row(0).begin());
  EXPECT_EQ(Lines(view_->Search(queries, {&options, 1})->front()), BruteForce(query, options));
}

TEST_F(GalleryViewTest, ModalityFilterKeepsOneModality) {
  GalleryRow sketch = Row("s", RandomUnit());
  auto item = std::make_shared<GalleryItem>(*sketch.item);
  item->modality = v1::MODALITY_SKETCH;
  sketch.item = item;
  view_ = *BuildView(model_, {sketch, Row("p", RandomUnit())}, *builder_);
  GallerySearchOptions options;
  options.filter.modality = v1::MODALITY_SKETCH;
  const auto results = view_->Search(EmbeddingMatrix(1, kDimension), {&options, 1});
  ASSERT_EQ(results->front().size(), 1u);
  EXPECT_EQ(results->front()[0].item->photo_id, "s");
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
  ASSERT_TRUE(results.ok());
  EXPECT_THAT(results->front(), IsEmpty());
}

TEST_F(GalleryViewTest, UnknownAttributeIsAFailedPrecondition) {
  Build(3);
  GallerySearchOptions options;
  options.filter.attributes = {{"heel", 0, 1}};
  const auto status = view_->Search(EmbeddingMatrix(1, kDimension), {&options, 1}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("'heel'"));
}

TEST_F(GalleryViewTest, QueryOfAnotherDimensionIsInvalid) {
  Build(3);
  const GallerySearchOptions options;
  EXPECT_EQ(view_->Search(EmbeddingMatrix(1, kDimension + 1), {&options, 1}).status().code(),
            absl::StatusCode::kInvalidArgument);
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
  EXPECT_EQ(view_->EmbeddingOf("p000001").status().code(), absl::StatusCode::kNotFound);
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
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("photo_id 'a': embedding: its norm is not 1"));
  EXPECT_FALSE(BuildView(model_, {Row("a", std::vector<float>(kDimension))}, *builder_).ok());
}

}  // namespace
}  // namespace s2p
