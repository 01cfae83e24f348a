// An add stores its blobs before its turn, while others write.
#include "server/gallery/gallery_writer.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "server/gallery/gallery_folder.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace {

// As many syncs of a journal fail from now on, with this error.
std::atomic<int> failing_syncs = 0;
std::atomic<int> sync_error = 0;

}  // namespace

// Replaces the C library's.
extern "C" int fdatasync(int descriptor) {
  std::array<char, 4096> path = {};
  const std::string link = absl::StrCat("/proc/self/fd/", descriptor);
  const ssize_t size = readlink(link.c_str(), path.data(), path.size());
  const absl::string_view name(path.data(), size < 0 ? 0 : static_cast<size_t>(size));
  if (failing_syncs > 0 && absl::EndsWith(name, "/items.journal")) {
    --failing_syncs;
    errno = sync_error;
    return -1;
  }
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

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
    failing_syncs = 0;
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

TEST_F(GalleryWriterTest, PhotoOfAWriteThatTheJournalCouldBringBackStaysUntilTheNextWrite) {
  sync_error = ENOSPC;
  failing_syncs = 1;
  EXPECT_THAT(Add(Item("b", 2)), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_FALSE(fs::exists(BlobPath(2)));
  // The write cannot be taken back durably either.
  failing_syncs = 2;
  EXPECT_THAT(Add(Item("b", 2)), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(failing_syncs, 0);
  EXPECT_TRUE(fs::exists(BlobPath(2)));
  // The next write takes it back first.
  failing_syncs = 1;
  EXPECT_FALSE(Add(Item("c", 3)).ok());
  EXPECT_EQ(failing_syncs, 0);
  MustAdd("c", 3);
  EXPECT_FALSE(fs::exists(BlobPath(2)));
  EXPECT_THAT(Ids(), ElementsAre("a", "c", "z"));
}

TEST_F(GalleryWriterTest, PhotoOfADeletedItemStaysForAWriteThatMayComeBack) {
  AddAndStopAt(2, Items({{"b", 1}, {"c", 3}}));
  EXPECT_THAT(*gallery_->Delete({"a"}), ElementsAre(true));
  sync_error = EIO;
  failing_syncs = 2;
  for (const auto& result : Finish()) EXPECT_FALSE(result.ok());
  EXPECT_TRUE(fs::exists(BlobPath(1)));
  EXPECT_THAT(Unerased(), SizeIs(1));
  MustAdd("d", 4);
  EXPECT_FALSE(fs::exists(BlobPath(1)));
  EXPECT_FALSE(fs::exists(BlobPath(3)));
  EXPECT_THAT(Unerased(), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
