// Searches of a gallery view under filters, and with an approximate index.
#include "tests/server/gallery/gallery_view_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class GalleryViewFilterTest : public GalleryViewTest {};
class ApproximateViewTest : public GalleryViewTest {};

TEST_F(GalleryViewFilterTest, WideFilterGivesTheBestOfThoseThatPass) {
  Build(8000);
  Append(100);
  GallerySearchOptions options;
  options.filter.metadata = {{"parity", "even"}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewFilterTest, NarrowFilterGivesTheBestOfThoseThatPass) {
  Build(8000);
  GallerySearchOptions options;
  options.top_k = 50;
  options.filter.metadata = {{"last", "3"}};
  options.filter.attributes = {{"boots", 0.5f, 0.6f}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewFilterTest, FilterThatNothingPassesFindsNothing) {
  Build(5000);
  GallerySearchOptions options;
  options.filter.metadata = {{"last", "x"}};
  ExpectBruteForce(3, options);
  options.filter.metadata = {{"no such name", ""}};
  ExpectBruteForce(3, options);
}

TEST_F(GalleryViewFilterTest, FilterHoldsForTailAndRemovals) {
  Build(5000);
  Append(200);
  RemoveEvery(3);
  GallerySearchOptions options;
  options.filter.metadata = {{"last", "5"}, {"parity", "odd"}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewFilterTest, NarrowAttributeRangeGivesTheBestOfThoseThatPass) {
  Build(8000);
  GallerySearchOptions options;
  options.filter.attributes = {{"boots", 0.50f, 0.51f}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewFilterTest, ColourFilterGivesTheBestOfThoseThatShowEnough) {
  Build(8000);
  Append(100);
  RemoveEvery(5);
  GallerySearchOptions options;
  options.filter.colours = {{kRare, 20, 0.5F}};
  ExpectBruteForce(options);
  EXPECT_FALSE(Lines(view_->Search(OneRandomQuery(), {&options, 1})->front()).empty());
}

TEST_F(GalleryViewFilterTest, AllColoursOfAFilterMustBeShown) {
  Build(100);
  const auto passing = [this](std::vector<ColourBounds> bounds) {
    GallerySearchOptions options;
    options.top_k = 1000;
    options.filter.colours = std::move(bounds);
    return Lines(view_->Search(OneRandomQuery(), {&options, 1})->front()).size();
  };
  EXPECT_EQ(passing({{kFrequent, 20, 0.1F}}), 90u);
  EXPECT_EQ(passing({{kRare, 20, 0.1F}}), 20u);
  EXPECT_EQ(passing({{kRare, 20, 0.1F}, {kFrequent, 20, 0.1F}}), 10u);
  EXPECT_EQ(passing({{kRare, 20, 0.6F}}), 10u);
  EXPECT_EQ(passing({{{90, 0, 90}, 20, 1e-9F}}), 0u);
}

TEST_F(GalleryViewFilterTest, SharesOfAllThatIsShownAreEnoughForAll) {
  GalleryItem item;
  item.colours = {{kFrequent, 0.7F}, {{50, 61, 41}, 0.2F}, {{50, 59, 40}, 0.1F}};
  GalleryFilter filter;
  filter.colours = {{kFrequent, 5, 1}};
  EXPECT_TRUE(ItemPasses(item, filter));
}

TEST_F(GalleryViewFilterTest, UnknownColoursPassNoColourFilter) {
  GalleryFilter filter;
  filter.colours = {{kFrequent, 100, 1e-9F}};
  EXPECT_FALSE(filter.empty());
  EXPECT_FALSE(ItemPasses(GalleryItem(), filter));
}

TEST_F(GalleryViewFilterTest, PreferenceInASmallGalleryRanksAllOfIt) {
  Build(1500);
  Append(100);
  RemoveEvery(7);
  GallerySearchOptions options;
  options.colours = {{kRare, 1}};
  ExpectBruteForce(options);
}

TEST_F(GalleryViewFilterTest, PreferenceInALargeGalleryRanksTheTwoThousandMostAlike) {
  Build(12000);
  const EmbeddingMatrix query = OneRandomQuery();
  GallerySearchOptions all;
  all.top_k = 2000;
  const float last = view_->Search(query, {&all, 1})->front().back().score;
  GallerySearchOptions options;
  options.colours = {{kRare, 1}};
  const auto matches = view_->Search(query, {&options, 1})->front();
  ASSERT_EQ(matches.size(), 10u);
  for (const GalleryMatch& match : matches) {
    EXPECT_EQ(match.item->photo_id.back(), '9');
    EXPECT_GE(match.score, last);
  }
  // The best of their kind among the 2,000, which the first ten of all are not.
  GallerySearchOptions nines = all;
  nines.top_k = 10;
  nines.filter.metadata = {{"last", "9"}};
  EXPECT_EQ(Lines(matches), Lines(view_->Search(query, {&nines, 1})->front()));
}

TEST_F(GalleryViewFilterTest, NeighbourInTheBatchWithAPreferenceChangesNothing) {
  Build(12000);
  EmbeddingMatrix queries(2, kDimension);
  for (int i = 0; i < 2; ++i) {
    const std::vector<float> query = RandomUnit();
    std::copy(query.begin(), query.end(), queries.row(i).begin());
  }
  std::vector<GallerySearchOptions> options(2);
  const auto alone = Lines(view_->Search(queries, options)->front());
  options[1].colours = {{kRare, 1}};
  EXPECT_EQ(Lines(view_->Search(queries, options)->front()), alone);
}

TEST_F(ApproximateViewTest, PreferenceIsServedByAnApproximateIndex) {
  builder_ = MakeIndexBuilder("IVF64,Flat");
  Build(12000);
  GallerySearchOptions options;
  options.colours = {{kRare, 1}};
  const auto matches = view_->Search(OneRandomQuery(), {&options, 1})->front();
  ASSERT_EQ(matches.size(), 10u);
  for (const GalleryMatch& match : matches) EXPECT_EQ(match.item->photo_id.back(), '9');
}

TEST_F(ApproximateViewTest, ApproximateIndexFindsNearlyAllWithExactScores) {
  builder_ = MakeIndexBuilder("IVF64,Flat");
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
    // A line has the score with all its digits, so matches are compared exactly.
    for (const std::string& line : BruteForce(query, options)) {
      found += static_cast<int>(std::count(lines.begin(), lines.end(), line));
    }
  }
  EXPECT_GE(found, 500 * 9 / 10);
}

TEST_F(ApproximateViewTest, ApproximateIndexGivesTopKUnderAnyFilterThatSoManyPass) {
  builder_ = MakeIndexBuilder("IVF64,SQ8");
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

TEST_F(ApproximateViewTest, ApproximateIndexWithAMinimumScoreGivesAllAboveIt) {
  builder_ = MakeIndexBuilder("IVF16,Flat");
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

TEST_F(ApproximateViewTest, TailThatFillsTheAnswerDoesNotHideBetterRowsOfTheBase) {
  builder_ = MakeIndexBuilder("IVF16,Flat");
  const std::vector<float> query = RandomUnit();
  const auto mixed = [&](float of_query) {
    std::vector<float> row = RandomUnit();
    for (size_t i = 0; i < row.size(); ++i) row[i] += of_query * query[i];
    NormalizeL2(absl::MakeSpan(row));
    return row;
  };
  // The nearest items do not pass the filter; a tenth of the others do.
  for (int i = 0; i < 4000; ++i) {
    truth_.push_back(Row(absl::StrFormat("b%04d%d", i, i % 10 == 1), mixed(i % 10 == 1 ? 0 : 2)));
  }
  view_ = *BuildView(model_, truth_, *builder_);
  std::vector<GalleryRow> tail;
  for (int i = 0; i < 10; ++i) tail.push_back(Row(absl::StrFormat("t%d1", i), mixed(-3)));
  view_ = *view_->With(std::move(tail), {});
  GallerySearchOptions options;
  options.filter.metadata = {{"last", "1"}};
  EmbeddingMatrix queries(1, kDimension);
  std::copy(query.begin(), query.end(), queries.row(0).begin());
  EXPECT_EQ(Lines(view_->Search(queries, {&options, 1})->front()), BruteForce(query, options));
}

TEST_F(GalleryViewFilterTest, ExcludedIdsAreLeftOut) {
  Build(3000);
  GallerySearchOptions options;
  const std::vector<float> query = RandomUnit();
  const std::string best = BruteForce(query, options).front();
  options.filter.exclude_photo_ids = {best.substr(0, best.find(' '))};
  EmbeddingMatrix queries(1, kDimension);
  std::copy(query.begin(), query.end(), queries.row(0).begin());
  EXPECT_EQ(Lines(view_->Search(queries, {&options, 1})->front()), BruteForce(query, options));
}

TEST_F(GalleryViewFilterTest, ModalityFilterKeepsOneModality) {
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

TEST_F(GalleryViewFilterTest, UnknownAttributeIsAFailedPrecondition) {
  Build(3);
  GallerySearchOptions options;
  options.filter.attributes = {{"heel", 0, 1}};
  const auto status = view_->Search(EmbeddingMatrix(1, kDimension), {&options, 1}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("'heel'")));
}

}  // namespace
}  // namespace s2p::test
