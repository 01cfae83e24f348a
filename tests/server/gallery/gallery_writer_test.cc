// An add stores its blobs before its turn, while others write.
#include "server/gallery/gallery_writer.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/synchronization/notification.h"
#include "server/gallery/gallery_folder.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

// The disk is measured before the blobs of an add are written, and before each that has to be.
class GalleryWriterTest : public GalleryTest {
 protected:
  GalleryWriterTest() {
    options_.min_free = {1000, 1};
    options_.measure_disk = [this] {
      if (--measurements_ == 0) {
        stopped_.Notify();
        go_on_.WaitForNotification();
      }
      return DiskSpace{free_, 2'000'000'000};
    };
    Reopen();
    MustAdd("a", 1);
    MustAdd("z", 26);
  }
  ~GalleryWriterTest() override {
    if (!go_on_.HasBeenNotified()) go_on_.Notify();
    if (adder_.joinable()) adder_.join();
  }

  // Adds on a thread of its own, and returns when the disk is measured for the nth time.
  void AddAndStopAt(int nth, std::vector<NewItem> items) {
    measurements_ = nth;
    adder_ = std::thread([this, items = std::make_shared<std::vector<NewItem>>(std::move(items))] {
      results_ = gallery_->Add(*items);
    });
    stopped_.WaitForNotification();
  }
  const std::vector<absl::StatusOr<AddResult>>& Finish() {
    go_on_.Notify();
    adder_.join();
    return results_;
  }
  std::vector<NewItem> Items(const std::vector<std::pair<std::string, uint32_t>>& photos) const {
    std::vector<NewItem> items;
    for (const auto& [photo_id, seed] : photos) items.push_back(Item(photo_id, seed));
    return items;
  }
  std::vector<GalleryItem> Unerased() const {
    return *(*ItemJournal::OpenReader(
                 absl::StrCat(options_.data_dir, "/photos/", kItemJournalName)))
                ->Unerased();
  }

  std::atomic<int> measurements_ = 0;
  std::atomic<uint64_t> free_ = 1'000'000'000;
  absl::Notification stopped_;
  absl::Notification go_on_;
  std::thread adder_;
  std::vector<absl::StatusOr<AddResult>> results_;
};

TEST_F(GalleryWriterTest, DeletionsAndMetadataDoNotWaitForTheBlobsOfAnAdd) {
  AddAndStopAt(3, Items({{"b", 2}, {"c", 3}}));
  ASSERT_TRUE(fs::exists(BlobPath(2)));
  ASSERT_FALSE(fs::exists(BlobPath(3)));
  EXPECT_THAT(*gallery_->Delete({"a"}), ElementsAre(true));
  EXPECT_THAT(gallery_->UpdateMetadata("z", {{"x", "y"}}), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("z"));
  EXPECT_TRUE(fs::exists(BlobPath(2)));
  EXPECT_THAT(Finish(), ElementsAre(IsOk(), IsOk()));
  EXPECT_THAT(Ids(), ElementsAre("b", "c", "z"));
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(2));
}

TEST_F(GalleryWriterTest, PhotoOfADeletedItemStaysForAnAddThatNeedsIt) {
  AddAndStopAt(2, Items({{"b", 1}, {"c", 3}}));
  EXPECT_THAT(*gallery_->Delete({"a"}), ElementsAre(true));
  EXPECT_THAT(Finish(), ElementsAre(IsOk(), IsOk()));
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(1));
  EXPECT_THAT(Unerased(), IsEmpty());
}

TEST_F(GalleryWriterTest, PhotoOfADeletedItemGoesIfTheAddThatNeedsItFails) {
  AddAndStopAt(2, Items({{"b", 1}, {"c", 3}}));
  EXPECT_THAT(*gallery_->Delete({"a"}), ElementsAre(true));
  ASSERT_TRUE(fs::exists(BlobPath(1)));
  free_ = 0;
  for (const auto& result : Finish()) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kResourceExhausted));
  }
  EXPECT_FALSE(fs::exists(BlobPath(1)));
  EXPECT_FALSE(fs::exists(BlobPath(3)));
  EXPECT_THAT(Unerased(), IsEmpty());
}

TEST_F(GalleryWriterTest, ItemThatIsDeletedWhileItIsAddedAgainIsAdded) {
  AddAndStopAt(2, Items({{"a", 1}, {"c", 3}}));
  EXPECT_THAT(*gallery_->Delete({"a"}), ElementsAre(true));
  EXPECT_THAT(Finish(), ElementsAre(AddResult::kAdded, AddResult::kAdded));
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("a")), PhotoBytes(1));
}

TEST_F(GalleryWriterTest, BlobsOfAnAddThatIsRefusedAtItsTurnAreRemoved) {
  AddAndStopAt(3, Items({{"b", 2}, {"c", 3}}));
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(2)), IsOk());
  for (const auto& result : Finish()) {
    EXPECT_THAT(result, StatusIs(absl::StatusCode::kAborted));
  }
  EXPECT_FALSE(fs::exists(BlobPath(2)));
  EXPECT_FALSE(fs::exists(BlobPath(3)));
}

}  // namespace
}  // namespace s2p::test
