// A gallery that finds the colours of photos added without them.
#include <atomic>
#include <filesystem>

#include "absl/synchronization/notification.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::IsEmpty;
using testing::Not;

class GalleryColoursTest : public GalleryTest {
 protected:
  // Adds photos as a program before colours did.
  GalleryColoursTest() {
    Reopen();
    for (uint32_t i = 0; i < kPhotos; ++i) MustAdd(absl::StrCat("p", i), i);
  }
  // A gallery must not outlive what its finder tells.
  ~GalleryColoursTest() override { gallery_.reset(); }

  // Opens the gallery again, now with a finder.
  void ReopenToFind() {
    options_.colours.decode = [this](absl::string_view bytes) -> absl::StatusOr<Image> {
      ++decodes_;
      return on_decode_ ? on_decode_(bytes) : DecodeImage(bytes);
    };
    options_.colours.retry_after = absl::ZeroDuration();
    done_ = std::make_unique<absl::Notification>();
    options_.colours.on_done = [this](int64_t found, int64_t unreadable) {
      found_ = found;
      unreadable_ = unreadable;
      done_->Notify();
    };
    Reopen();
  }
  void FindAll() {
    ReopenToFind();
    done_->WaitForNotification();
  }
  std::vector<ColourShare> ColoursOf(const std::string& photo_id) const {
    return (*gallery_->Get(photo_id))->colours;
  }
  // As searches see them.
  std::vector<ColourShare> ColoursInView(const std::string& photo_id) const {
    return slot_.Get()->gallery->Find(photo_id)->colours;
  }
  static void ExpectColoursOf(uint32_t seed, const std::vector<ColourShare>& colours) {
    const std::vector<ColourShare> expected = DominantColours(PhotoImage(seed));
    ASSERT_EQ(colours.size(), expected.size());
    for (size_t i = 0; i < colours.size(); ++i) {
      EXPECT_EQ(ColourDifference(colours[i].colour, expected[i].colour), 0);
      EXPECT_EQ(colours[i].share, expected[i].share);
    }
  }

  static constexpr uint32_t kPhotos = 40;
  std::function<absl::StatusOr<Image>(absl::string_view)> on_decode_;
  std::atomic<int> decodes_{0};
  std::unique_ptr<absl::Notification> done_;
  int64_t found_ = -1;
  int64_t unreadable_ = -1;
};

TEST_F(GalleryColoursTest, WithoutADecoderColoursStayUnknown) {
  Reopen();
  EXPECT_THAT(ColoursOf("p3"), IsEmpty());
  EXPECT_EQ(gallery_->CountWithoutColours(), 0) << "nobody looks";
}

TEST_F(GalleryColoursTest, PhotosOfAnOldGalleryGetTheirColours) {
  FindAll();
  EXPECT_EQ(found_, kPhotos);
  EXPECT_EQ(unreadable_, 0);
  EXPECT_EQ(gallery_->CountWithoutColours(), 0);
  for (const uint32_t i : {0u, 17u, kPhotos - 1}) {
    ExpectColoursOf(i, ColoursOf(absl::StrCat("p", i)));
  }
}

TEST_F(GalleryColoursTest, SearchesSeeTheColoursAndFindTheSame) {
  const std::vector<std::string> before = Search(5);
  FindAll();
  ExpectColoursOf(5, ColoursInView("p5"));
  EXPECT_EQ(Search(5), before);
}

TEST_F(GalleryColoursTest, ColoursAreFoundOnce) {
  FindAll();
  decodes_ = 0;
  FindAll();
  EXPECT_EQ(decodes_, 0);
  EXPECT_EQ(found_, 0);
  ExpectColoursOf(9, ColoursInView("p9"));
}

TEST_F(GalleryColoursTest, PhotoThatBringsItsColoursIsNotDecoded) {
  NewItem item = Item("coloured", 99);
  item.colours = DominantColours(PhotoImage(99));
  ASSERT_THAT(Add(item), IsOk());
  ExpectColoursOf(99, ColoursInView("coloured"));
  FindAll();
  EXPECT_EQ(decodes_, static_cast<int>(kPhotos));
  ExpectColoursOf(99, ColoursOf("coloured"));
}

TEST_F(GalleryColoursTest, SketchesHaveNoColours) {
  NewItem sketch = Item("sketch", 99);
  sketch.modality = v1::MODALITY_SKETCH;
  ASSERT_THAT(Add(sketch), IsOk());
  FindAll();
  EXPECT_EQ(found_, kPhotos);
  EXPECT_THAT(ColoursOf("sketch"), IsEmpty());
}

TEST_F(GalleryColoursTest, UnreadablePhotoIsLeftForTheNextStart) {
  std::filesystem::remove(BlobPath(7));
  FindAll();
  EXPECT_EQ(found_, kPhotos - 1);
  EXPECT_EQ(unreadable_, 1);
  EXPECT_EQ(gallery_->CountWithoutColours(), 1);
  NewItem again = Item("p7", 7);
  again.colours = DominantColours(PhotoImage(7));
  const auto added = Add(again);
  ASSERT_THAT(added, IsOk());
  EXPECT_EQ(*added, AddResult::kReplaced);
  ExpectColoursOf(7, ColoursInView("p7"));
}

TEST_F(GalleryColoursTest, PhotoThatNoDecoderCanReadIsLeftWithoutColours) {
  const std::string bad = PhotoBytes(7);
  on_decode_ = [bad](absl::string_view bytes) -> absl::StatusOr<Image> {
    if (bytes == bad) return absl::InvalidArgumentError("damaged");
    return DecodeImage(bytes);
  };
  FindAll();
  EXPECT_EQ(unreadable_, 1);
  EXPECT_THAT(ColoursOf("p7"), IsEmpty());
  EXPECT_THAT(ColoursOf("p8"), Not(IsEmpty()));
}

TEST_F(GalleryColoursTest, DecoderThatCannotWorkForNowIsAskedAgain) {
  std::atomic<int> failures{5};
  on_decode_ = [&failures](absl::string_view bytes) -> absl::StatusOr<Image> {
    if (failures-- > 0) return absl::UnavailableError("no decoder starts");
    return DecodeImage(bytes);
  };
  FindAll();
  EXPECT_EQ(found_, kPhotos);
  EXPECT_EQ(unreadable_, 0);
}

TEST_F(GalleryColoursTest, PhotoThatIsReplacedMeanwhileKeepsItsOwnColours) {
  absl::Notification decoding, replaced;
  on_decode_ = [&](absl::string_view bytes) {
    if (!decoding.HasBeenNotified()) decoding.Notify();
    replaced.WaitForNotification();
    return DecodeImage(bytes);
  };
  ReopenToFind();
  decoding.WaitForNotification();
  NewItem other = Item("p0", 77, OnConflict::kReplace);
  other.colours = DominantColours(PhotoImage(77));
  ASSERT_THAT(Add(other), IsOk());
  const std::vector<std::string> deleted = {"p1"};
  ASSERT_THAT(gallery_->Delete(deleted), IsOk());
  replaced.Notify();
  done_->WaitForNotification();
  ExpectColoursOf(77, ColoursInView("p0"));
  EXPECT_EQ(slot_.Get()->gallery->Find("p1"), nullptr);
  ExpectColoursOf(2, ColoursInView("p2"));
  EXPECT_EQ(gallery_->CountWithoutColours(), 0);
}

TEST_F(GalleryColoursTest, ColoursFoundDuringAnActivationAreInItsView) {
  absl::Notification loaded;
  on_decode_ = [&](absl::string_view bytes) {
    loaded.WaitForNotification();
    return DecodeImage(bytes);
  };
  ReopenToFind();
  ActivationCallbacks callbacks;
  // Nothing but the last step is left when the pause of zero is asked for: the view is read.
  callbacks.after_batch = [&](absl::Duration took) {
    if (took == absl::ZeroDuration() && !loaded.HasBeenNotified()) {
      loaded.Notify();
      done_->WaitForNotification();
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(2), callbacks), IsOk());
  EXPECT_EQ(slot_.Get()->version, 2);
  ExpectColoursOf(3, ColoursInView("p3"));
}

TEST_F(GalleryColoursTest, ClosingDoesNotWaitForAllPhotos) {
  absl::Notification first;
  on_decode_ = [&](absl::string_view) -> absl::StatusOr<Image> {
    if (!first.HasBeenNotified()) first.Notify();
    return absl::UnavailableError("never");
  };
  ReopenToFind();
  first.WaitForNotification();
  gallery_.reset();
  EXPECT_FALSE(done_->HasBeenNotified());
}

}  // namespace
}  // namespace s2p::test
