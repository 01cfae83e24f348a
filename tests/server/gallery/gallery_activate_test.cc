#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/synchronization/notification.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Gt;
using testing::SizeIs;

class GalleryActivateTest : public GalleryTest {
 protected:
  // New items sort before the existing ones, so that a running pass misses them.
  void AddSome(int count) {
    std::vector<NewItem> items;
    for (int i = 0; i < count; ++i) {
      ++added_;
      items.push_back(Item(absl::StrFormat("%05d", 99999 - added_), static_cast<uint32_t>(added_)));
    }
    for (const auto& result : gallery_->Add(items)) ASSERT_THAT(result, IsOk());
  }
  absl::Status Activate(int64_t version,
                        const std::function<absl::Status(absl::Duration)>& after_batch) {
    ActivationCallbacks callbacks;
    callbacks.after_batch = after_batch;
    return gallery_->Activate(std::make_shared<FakeEncoder>(version), callbacks);
  }
  int added_ = 0;
};

TEST_F(GalleryActivateTest, ItemsThatKeepComingDoNotPutOffTheSwap) {
  Reopen();
  AddSome(1);
  int batches = 0;
  ASSERT_THAT(Activate(2,
                       [&](absl::Duration) {
                         ++batches;
                         AddSome(1);
                         return absl::OkStatus();
                       }),
              IsOk());
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 1 + batches);
}

TEST_F(GalleryActivateTest, AfterAFewPassesNobodyIsAskedToWait) {
  Reopen();
  AddSome(40);
  std::vector<absl::Duration> took;
  // Passes of two batches, each of which finds forty new items.
  ASSERT_THAT(Activate(2,
                       [&](absl::Duration batch) {
                         took.push_back(batch);
                         if (took.size() <= 5 && took.size() % 2 == 1) AddSome(40);
                         return absl::OkStatus();
                       }),
              IsOk());
  ASSERT_GE(took.size(), 8u);
  EXPECT_THAT(std::vector<absl::Duration>(took.begin(), took.begin() + 6),
              Each(Gt(absl::ZeroDuration())));
  EXPECT_THAT(std::vector<absl::Duration>(took.begin() + 6, took.end()),
              Each(absl::ZeroDuration()));
  EXPECT_EQ(slot_.Get()->gallery->size(), 160);
}

TEST_F(GalleryActivateTest, NoMoreThanABatchIsEmbeddedWhileWritersWait) {
  Reopen();
  AddSome(1);
  int calls = 0;
  size_t since = 0;
  FakeEncoderOptions encoder;
  encoder.version = 2;
  encoder.on_encode = [&since](absl::Span<const EncoderInput> inputs) {
    since += inputs.size();
    return absl::OkStatus();
  };
  ActivationCallbacks callbacks;
  // Forty come before the first attempt to swap, and fifty more while these are embedded, in two
  // batches. Nobody calls back while writers wait.
  callbacks.after_batch = [&](absl::Duration took) {
    since = 0;
    if (took > absl::ZeroDuration()) return absl::OkStatus();
    ++calls;
    if (calls == 1) AddSome(40);
    if (calls == 3) AddSome(50);
    return absl::OkStatus();
  };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(encoder), callbacks), IsOk());
  EXPECT_EQ(slot_.Get()->gallery->size(), 91);
  EXPECT_LE(since, 32u);
  EXPECT_GE(calls, 6);
}

TEST_F(GalleryActivateTest, PhotosThatComeAsFastAsTheyAreEmbeddedDoNotPutOffTheSwap) {
  Reopen();
  AddSome(1);
  std::atomic<int> added = 1;
  std::thread adder([&] {
    for (uint32_t call = 0;; ++call) {
      std::vector<NewItem> items;
      for (uint32_t i = 0; i < 64; ++i) {
        items.push_back(Item(absl::StrFormat("%06d", 900'000 - 64 * call - i), 64 * call + i));
      }
      for (const auto& result : gallery_->Add(items)) {
        if (!result.ok()) return;
        ++added;
      }
    }
  });
  EXPECT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(2)), IsOk());
  adder.join();
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), added);
}

TEST_F(GalleryActivateTest, WhileAddsAreOnHoldOthersWriteAndTheAddIsWrittenAfterwards) {
  Reopen();
  AddSome(2);
  const std::string deleted = Ids().front(), changed = Ids().back();
  const auto next = std::make_shared<FakeEncoder>(2);
  // Refused while version 1 serves, if it does not wait.
  const NewItem item = MakeNewItem("held", 500, *next);
  absl::Notification added;
  absl::StatusOr<AddResult> result = absl::UnknownError("");
  std::thread adder;
  bool embedded = false;
  int attempts = 0;
  ActivationCallbacks callbacks;
  callbacks.progress = [&](int64_t done, int64_t) { embedded = done > 0; };
  callbacks.after_batch = [&](absl::Duration) {
    if (std::exchange(embedded, false)) return absl::OkStatus();
    // Nothing was embedded, so an attempt to swap comes next; the fourth one has the adds on hold.
    if (++attempts < 4) {
      AddSome(40);
    } else if (attempts == 4) {
      adder = std::thread([&] {
        result = Add(item);
        added.Notify();
      });
      EXPECT_FALSE(added.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
      EXPECT_THAT(*gallery_->Delete({deleted}), ElementsAre(true));
      EXPECT_THAT(gallery_->UpdateMetadata(changed, {{"x", "y"}}), IsOk());
      EXPECT_THAT(gallery_->Get("held"), StatusIs(absl::StatusCode::kNotFound));
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(gallery_->Activate(next, callbacks), IsOk());
  ASSERT_EQ(attempts, 4);
  adder.join();
  ASSERT_THAT(result, IsOk());
  EXPECT_EQ(*result, AddResult::kAdded);
  EXPECT_EQ(slot_.Get()->gallery->size(), 2 + 3 * 40 - 1 + 1);
}

TEST_F(GalleryActivateTest, InterruptedActivationPublishesNothingAndKeepsWhatIsDone) {
  Reopen();
  AddSome(40);
  const absl::Status stop = absl::CancelledError("stop");
  EXPECT_EQ(Activate(2, [&](absl::Duration) { return stop; }), stop);
  EXPECT_EQ(slot_.Get()->version, 1);
  std::vector<int64_t> totals;
  ActivationCallbacks callbacks;
  callbacks.progress = [&](int64_t done, int64_t total) {
    if (done == 0) totals.push_back(total);
  };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(2), callbacks), IsOk());
  EXPECT_THAT(totals, ElementsAre(8));
  EXPECT_EQ(slot_.Get()->version, 2);
}

// A gallery with photos that the next version cannot embed.
class GalleryRefusalTest : public GalleryActivateTest {
 protected:
  // Adds a photo that version 2 embeds as zeros.
  void AddRefused(uint32_t seed) {
    MustAdd(absl::StrCat("refused", seed), seed);
    refused_.push_back(PhotoImage(seed).pixels()[0]);
  }
  std::shared_ptr<const FakeEncoder> Refusing() const {
    FakeEncoderOptions options;
    options.version = 2;
    options.on_encode = [this](absl::Span<const EncoderInput> inputs) {
      EmbeddingMatrix embeddings(static_cast<int>(inputs.size()), 1);
      for (size_t i = 0; i < inputs.size(); ++i) {
        const uint8_t first = inputs[i].image->pixels()[0];
        const bool refused = std::count(refused_.begin(), refused_.end(), first) > 0;
        embeddings.row(static_cast<int>(i))[0] = refused ? 0 : 1;
      }
      return NormalizeRows(embeddings);
    };
    return std::make_shared<FakeEncoder>(options);
  }
  // Activates version 2 as after a restart.
  absl::Status Restart() {
    gallery_.reset();
    slot_.Set(nullptr);
    auto opened = Gallery::Open(options_, &slot_);
    if (!opened.ok()) return opened.status();
    gallery_ = *std::move(opened);
    left_out_.clear();
    ActivationCallbacks callbacks;
    callbacks.on_left_out = [this](const std::string& photo_id, const absl::Status&) {
      left_out_.push_back(photo_id);
    };
    return gallery_->Activate(Refusing(), callbacks);
  }

  std::vector<uint8_t> refused_;
  std::vector<std::string> left_out_;
};

TEST_F(GalleryRefusalTest, VersionThatServedServesAgainAfterARestart) {
  Reopen();
  for (const uint32_t seed : {1, 2}) AddRefused(seed);
  MustAdd("good", 3);
  ASSERT_THAT(gallery_->Activate(Refusing()), IsOk());
  ASSERT_EQ(slot_.Get()->gallery->size(), 1);
  ASSERT_THAT(Restart(), IsOk());
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 1);
  EXPECT_THAT(left_out_, ElementsAre("refused1", "refused2"));
}

TEST_F(GalleryRefusalTest, VersionThatServedServesAgainWhenOnlyRefusedPhotosAreLeft) {
  Reopen();
  for (const uint32_t seed : {1, 2}) AddRefused(seed);
  MustAdd("good", 3);
  ASSERT_THAT(gallery_->Activate(Refusing()), IsOk());
  ASSERT_THAT(gallery_->Delete({"good"}), IsOk());
  ASSERT_THAT(Restart(), IsOk());
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 0);
}

TEST_F(GalleryRefusalTest, FirstBatchMayBeRefusedWhenALaterOneIsEmbedded) {
  Reopen();
  for (uint32_t seed = 100; seed < 132; ++seed) AddRefused(seed);
  // Sorts after them, and so comes in the second batch.
  const auto is_free = [this](uint32_t seed) {
    const uint8_t first = PhotoImage(seed).pixels()[0];
    return std::count(refused_.begin(), refused_.end(), first) == 0;
  };
  uint32_t seed = 1;
  while (!is_free(seed)) ++seed;
  MustAdd("z", seed);
  ASSERT_THAT(gallery_->Activate(Refusing()), IsOk());
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 1);
}

TEST_F(GalleryRefusalTest, PhotosReplacedDuringAnActivationMayAllBeRefused) {
  Reopen();
  MustAdd("a", 3);
  bool added = false;
  ActivationCallbacks callbacks;
  callbacks.after_batch = [&](absl::Duration took) {
    // The view is read, and an attempt to swap comes next.
    if (took == absl::ZeroDuration() && !std::exchange(added, true)) {
      for (const uint32_t seed : {1, 2}) AddRefused(seed);
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(gallery_->Activate(Refusing(), callbacks), IsOk());
  ASSERT_TRUE(added);
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 1);
}

// A gallery whose decoder fails as a test says.
class GalleryDecodeTest : public GalleryActivateTest {
 protected:
  GalleryDecodeTest() {
    options_.decode = [this](absl::string_view bytes) -> absl::StatusOr<Image> {
      ++decodes_;
      if (!failure_.ok() && failures_ != 0) {
        --failures_;
        return failure_;
      }
      return DecodeImage(bytes);
    };
    Reopen();
    AddSome(3);
  }
  absl::Status ActivateAgain() {
    ActivationCallbacks callbacks;
    callbacks.on_left_out = [this](const std::string&, const absl::Status&) { ++left_out_; };
    return gallery_->Activate(std::make_shared<FakeEncoder>(2), callbacks);
  }

  absl::Status failure_;
  // How many decodes fail from now on; negative: all.
  int failures_ = -1;
  int decodes_ = 0;
  int left_out_ = 0;
};

TEST_F(GalleryDecodeTest, PhotoThatTookTooLongIsTriedAgain) {
  failure_ = absl::DeadlineExceededError("too slow");
  failures_ = 5;
  decodes_ = 0;
  ASSERT_THAT(ActivateAgain(), IsOk());
  EXPECT_EQ(decodes_, 3 + 3 + 2) << "two are slow twice";
  EXPECT_EQ(left_out_, 0);
  EXPECT_EQ(slot_.Get()->gallery->size(), 3);
}

TEST_F(GalleryDecodeTest, PhotoThatTakesTooLongThreeTimesIsLeftOutAndTheNextVersionTriesIt) {
  failure_ = absl::DeadlineExceededError("too slow");
  decodes_ = 0;
  ASSERT_THAT(ActivateAgain(), IsOk());
  EXPECT_EQ(decodes_, 9);
  EXPECT_EQ(left_out_, 3);
  failures_ = 0;
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(3), {}), IsOk());
  EXPECT_EQ(slot_.Get()->gallery->size(), 3);
}

TEST_F(GalleryDecodeTest, DecoderThatCannotWorkEndsTheActivationAndLeavesNoPhotoOut) {
  for (const absl::Status& failure :
       {absl::UnavailableError("no decoder"), absl::ResourceExhaustedError("no memory"),
        absl::CancelledError("cancelled")}) {
    failure_ = failure;
    EXPECT_EQ(ActivateAgain(), failure);
    EXPECT_EQ(slot_.Get()->version, 1);
  }
  EXPECT_EQ(left_out_, 0);
  failure_ = absl::OkStatus();
  ASSERT_THAT(ActivateAgain(), IsOk());
  EXPECT_EQ(slot_.Get()->gallery->size(), 3);
}

TEST_F(GalleryDecodeTest, PhotoThatCannotBeDecodedIsLeftOut) {
  failure_ = absl::InvalidArgumentError("the image ended the decoder");
  ASSERT_THAT(ActivateAgain(), IsOk());
  EXPECT_EQ(left_out_, 3);
  EXPECT_EQ(slot_.Get()->gallery->size(), 0);
}

}  // namespace
}  // namespace s2p::test
