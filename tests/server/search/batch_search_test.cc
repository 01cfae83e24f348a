// Searches of one batch: together, and each alone if one fails.
#include "absl/strings/str_cat.h"
#include "server/gallery/indexed_gallery_view.h"
#include "tests/server/search/batcher_fixture.h"
#include "tests/server/view_builder.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

// A gallery with one photo per seed that counts its searches.
class CountingView final : public GalleryView {
 public:
  explicit CountingView(std::shared_ptr<const GalleryView> view) : view_(std::move(view)) {}
  int64_t version() const override { return view_->version(); }
  int dimension() const override { return view_->dimension(); }
  const std::vector<std::string>& attributes() const override { return view_->attributes(); }
  int64_t size() const override { return view_->size(); }
  absl::StatusOr<std::vector<std::vector<GalleryMatch>>> Search(
      const EmbeddingMatrix& queries,
      absl::Span<const GallerySearchOptions> options) const override {
    batches.push_back(queries.rows());
    return view_->Search(queries, options);
  }
  absl::Status CheckFilter(const GalleryFilter& filter) const override {
    return view_->CheckFilter(filter);
  }
  std::shared_ptr<const GalleryItem> Find(absl::string_view photo_id) const override {
    return view_->Find(photo_id);
  }
  absl::StatusOr<absl::Span<const float>> EmbeddingOf(absl::string_view photo_id) const override {
    return view_->EmbeddingOf(photo_id);
  }

  // Only the batch thread may use it until that has ended.
  mutable std::vector<int> batches;

 private:
  const std::shared_ptr<const GalleryView> view_;
};

class BatchSearchTest : public BatcherTest {
 protected:
  void SetUp() override {
    const FakeEncoder encoder(1);
    std::vector<GalleryRow> rows;
    for (uint32_t seed = 1; seed <= 9; ++seed) {
      const Encoding encoding = EncodeImage(encoder, PhotoImage(seed));
      auto item = std::make_shared<GalleryItem>();
      item->photo_id = absl::StrCat("photo", seed);
      const auto embedding = encoding.embeddings.row(0);
      const auto attributes = encoding.attributes.row(0);
      rows.push_back({std::move(item),
                      {embedding.begin(), embedding.end()},
                      {attributes.begin(), attributes.end()}});
    }
    view_ = std::make_shared<CountingView>(*BuildView(
        {1, encoder.dimension(), encoder.attributes()}, std::move(rows), *MakeIndexBuilder()));
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->version = 1;
    snapshot->encoder = std::make_shared<FakeEncoder>(1);
    snapshot->gallery = view_;
    slot_.Set(snapshot);
    Start(Patient());
  }
  BatchRequest Search(Answer& answer, uint32_t seed) {
    BatchRequest request = Request(answer, 0);
    request.images.push_back(PhotoImage(seed));
    request.modalities.push_back(v1::MODALITY_PHOTO);
    request.query = [](const EmbeddingMatrix& drawn, const GalleryView&) { return drawn; };
    request.search.top_k = 1;
    return request;
  }

  std::shared_ptr<CountingView> view_;
};

TEST_F(BatchSearchTest, QueriesOfABatchAreSearchedTogetherAndAnsweredEach) {
  Answer three, seven, no_search;
  ASSERT_THAT(batcher_->Submit(Search(three, 3)), IsOk());
  ASSERT_THAT(Submit(no_search), IsOk());
  ASSERT_THAT(batcher_->Submit(Search(seven, 7)), IsOk());
  batcher_->Stop();
  EXPECT_THAT(view_->batches, ElementsAre(2));
  ASSERT_TRUE(three.result.ok() && seven.result.ok() && no_search.result.ok());
  EXPECT_EQ(three.result->matches.at(0).item->photo_id, "photo3");
  EXPECT_EQ(seven.result->matches.at(0).item->photo_id, "photo7");
  EXPECT_TRUE(no_search.result->matches.empty());
}

TEST_F(BatchSearchTest, SearchThatTheGalleryRefusesFailsAloneAndOthersStayTogether) {
  Answer good, refused, other;
  BatchRequest request = Search(refused, 3);
  request.search.filter.attributes = {{"heel", 0, 1}};
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  ASSERT_THAT(batcher_->Submit(Search(good, 5)), IsOk());
  ASSERT_THAT(batcher_->Submit(Search(other, 6)), IsOk());
  batcher_->Stop();
  EXPECT_THAT(refused.result, StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_TRUE(good.result.ok() && other.result.ok());
  EXPECT_EQ(good.result->matches.at(0).item->photo_id, "photo5");
  EXPECT_EQ(other.result->matches.at(0).item->photo_id, "photo6");
  EXPECT_THAT(view_->batches, ElementsAre(2));
}

TEST_F(BatchSearchTest, QueryThatCannotBeMadeFailsAlone) {
  Answer good, refused;
  BatchRequest request = Search(refused, 3);
  request.query = [](const EmbeddingMatrix&, const GalleryView&) {
    return absl::StatusOr<EmbeddingMatrix>(absl::NotFoundError("no such photo"));
  };
  ASSERT_THAT(batcher_->Submit(std::move(request)), IsOk());
  ASSERT_THAT(batcher_->Submit(Search(good, 5)), IsOk());
  batcher_->Stop();
  EXPECT_EQ(refused.result.status(), absl::NotFoundError("no such photo"));
  ASSERT_THAT(good.result, IsOk());
  EXPECT_EQ(good.result->matches.at(0).item->photo_id, "photo5");
}

}  // namespace
}  // namespace s2p::test
