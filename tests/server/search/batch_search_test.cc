// Searches of one batch: together, and each alone if one fails.
#include "tests/server/search/gallery_batcher_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

class BatchSearchTest : public GalleryBatcherTest {
 protected:
  void SetUp() override {
    GalleryBatcherTest::SetUp();
    Start(Patient());
  }
};

TEST_F(BatchSearchTest, QueriesOfABatchAreSearchedTogetherAndAnsweredEach) {
  Answer three, seven, no_search;
  ASSERT_THAT(batcher_->Submit(Search(three, 3)), IsOk());
  ASSERT_THAT(Submit(no_search), IsOk());
  ASSERT_THAT(batcher_->Submit(Search(seven, 7)), IsOk());
  batcher_->Stop();
  EXPECT_THAT(view_->searches(), ElementsAre(2));
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
  EXPECT_THAT(view_->searches(), ElementsAre(2));
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
