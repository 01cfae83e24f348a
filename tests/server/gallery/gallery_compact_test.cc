// Folding a gallery's tail and removals into a new base, while it is written and searched.
#include <atomic>
#include <random>
#include <thread>

#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "server/gallery/indexed_gallery_view.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::GalleryTest;
using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;

class GalleryCompactTest : public GalleryTest {
 protected:
  GalleryCompactTest() {
    options_.on_compaction = [this](const absl::Status& status, absl::Duration) {
      EXPECT_THAT(status, IsOk());
      absl::MutexLock lock(&mutex_);
      ++compactions_;
    };
  }
  ~GalleryCompactTest() override { gallery_.reset(); }

  void AddMany(uint32_t begin, uint32_t end) {
    std::vector<NewItem> items;
    for (uint32_t seed = begin; seed < end; ++seed) {
      items.push_back(Item(absl::StrFormat("p%05d", seed), seed));
    }
    for (const auto& result : gallery_->Add(items)) {
      ASSERT_THAT(result, IsOk());
    }
  }
  void WaitForCompactions(int count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [this, count] { return compactions_ >= count; };
    mutex_.Await(absl::Condition(&enough));
  }
  int64_t pending() const {
    const auto snapshot = slot_.Get();
    return dynamic_cast<const IndexedGalleryView&>(*snapshot->gallery).pending();
  }

  absl::Mutex mutex_;
  int compactions_ = 0;
};

TEST_F(GalleryCompactTest, LongTailIsFoldedIntoTheBase) {
  Reopen();
  AddMany(0, 1024);
  EXPECT_EQ(pending(), 1024);
  AddMany(1024, 1025);
  WaitForCompactions(1);
  EXPECT_EQ(pending(), 0);
  EXPECT_EQ(slot_.Get()->gallery->size(), 1025);
  EXPECT_THAT(Search(7, 1), ElementsAre("p00007"));
}

TEST_F(GalleryCompactTest, RemovedRowsAreGoneFromTheNewBase) {
  Reopen();
  AddMany(0, 2000);
  WaitForCompactions(1);
  const int64_t tail = pending();
  std::vector<std::string> ids;
  for (int i = 0; i < 1025; ++i) ids.push_back(absl::StrFormat("p%05d", i));
  ASSERT_THAT(gallery_->Delete(ids), IsOk());
  WaitForCompactions(2);
  EXPECT_LE(pending(), tail);
  EXPECT_EQ(slot_.Get()->gallery->size(), 2000 - 1025);
  EXPECT_EQ(slot_.Get()->gallery->Find("p00007"), nullptr);
  EXPECT_THAT(Search(1999, 1), ElementsAre("p01999"));
}

TEST_F(GalleryCompactTest, TrainedIndexIsUsedAgainAfterARestart) {
  options_.index.kind = "IVF16,Flat";
  Reopen();
  AddMany(0, 1100);
  WaitForCompactions(1);
  EXPECT_EQ(slot_.Get()->gallery->index_kind(), "IVF16,Flat");
  // Training would be Cancelled.
  options_.index.interrupted = [] { return true; };
  Reopen();
  EXPECT_EQ(slot_.Get()->gallery->index_kind(), "IVF16,Flat");
  EXPECT_EQ(slot_.Get()->gallery->size(), 1100);
}

TEST_F(GalleryCompactTest, FailedCompactionLeavesWhatServes) {
  absl::Notification failed;
  options_.on_compaction = [&failed](const absl::Status& status, absl::Duration) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
    if (!failed.HasBeenNotified()) failed.Notify();
  };
  options_.index.kind = "IVF16,Flat";
  options_.index.interrupted = [] { return true; };
  Reopen();
  AddMany(0, 1100);
  failed.WaitForNotification();
  EXPECT_EQ(slot_.Get()->gallery->index_kind(), "Flat");
  EXPECT_EQ(slot_.Get()->gallery->size(), 1100);
  EXPECT_THAT(Search(7, 1), ElementsAre("p00007"));
}

// The result of one writer thread for its own ids: the existing ones, and the picture of each.
using Written = std::map<std::string, uint32_t>;

TEST_F(GalleryCompactTest, NothingWrittenDuringCompactionOrActivationIsLost) {
  Reopen();
  AddMany(0, 1100);
  constexpr int kWriters = 3;
  std::vector<Written> written(kWriters);
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      std::mt19937 random(static_cast<uint32_t>(w));
      while (!stop) {
        const std::string id = absl::StrFormat("w%d-%03d", w, random() % 600);
        if (random() % 3 == 0) {
          ASSERT_THAT(gallery_->Delete({id}), IsOk());
          written[static_cast<size_t>(w)].erase(id);
          continue;
        }
        const uint32_t seed = 100000 + random() % 100000;
        const auto serving = slot_.Get()->encoder;
        NewItem item = test::MakeNewItem(id, seed, *serving);
        item.on_conflict = OnConflict::kReplace;
        const auto result = gallery_->Add({&item, 1}).front();
        // Another version has started to serve in the meantime.
        if (absl::IsAborted(result.status())) continue;
        ASSERT_THAT(result, IsOk());
        written[static_cast<size_t>(w)][id] = seed;
      }
    });
  }
  for (int64_t version = 2; version <= 6; ++version) {
    // Each batch of deletes makes a compaction due.
    std::vector<std::string> ids;
    for (int i = 0; i < 1100; ++i) ids.push_back(absl::StrFormat("p%05d", i));
    ASSERT_THAT(gallery_->Delete(ids), IsOk());
    encoder_ = std::make_shared<FakeEncoder>(version);
    ASSERT_THAT(gallery_->Activate(encoder_), IsOk());
    AddMany(0, 1100);
    WaitForCompactions(static_cast<int>(version) - 1);
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();

  const auto snapshot = slot_.Get();
  size_t expected = 1100;
  for (const Written& mine : written) {
    expected += mine.size();
    for (const auto& [id, seed] : mine) {
      const auto embedding = snapshot->gallery->EmbeddingOf(id);
      ASSERT_THAT(embedding, IsOk()) << id;
      const NewItem item = test::MakeNewItem(id, seed, *snapshot->encoder);
      ASSERT_EQ(*embedding, absl::MakeConstSpan(item.embedding)) << id;
    }
  }
  EXPECT_EQ(static_cast<size_t>(snapshot->gallery->size()), expected);
  EXPECT_EQ(gallery_->Totals().photos, expected);
  EXPECT_EQ(Ids("", 100000).size(), expected);
}

}  // namespace
}  // namespace s2p
