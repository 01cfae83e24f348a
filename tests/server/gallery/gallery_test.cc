#include "server/gallery/gallery.h"

#include <filesystem>
#include <fstream>
#include <type_traits>

#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(GalleryTest, AddedPhotoIsFoundFirst) {
  Reopen();
  for (uint32_t i = 0; i < 5; ++i) MustAdd(absl::StrCat("p", i), i);
  EXPECT_EQ(Search(3).front(), "p3");
}

TEST_F(GalleryTest, AddedPhotoSurvivesReopening) {
  Reopen();
  MustAdd("a", 1);
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a"));
  EXPECT_THAT(Search(1), ElementsAre("a"));
  EXPECT_EQ(gallery_->Totals().photos, 1u);
}

TEST_F(GalleryTest, ItemComesBackAsItWasAdded) {
  Reopen();
  NewItem item = Item("a", 1);
  item.modality = v1::MODALITY_SKETCH;
  item.metadata = {{"colour", "red"}, {"empty", ""}};
  ASSERT_THAT(Add(item), IsOk());
  const auto found = gallery_->Get("a");
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)->modality, v1::MODALITY_SKETCH);
  EXPECT_EQ((*found)->metadata, item.metadata);
  EXPECT_EQ((*found)->sha256, Sha256(item.bytes));
  EXPECT_EQ((*found)->bytes, item.bytes.size());
  EXPECT_EQ((*found)->content_type, "image/png");
  EXPECT_EQ((*found)->width, 8);
  EXPECT_EQ((*found)->height, 8);
  EXPECT_EQ(*gallery_->ReadBlob(**found), item.bytes);
}

TEST_F(GalleryTest, ViewAndCatalogueHoldTheSameItem) {
  Reopen();
  MustAdd("a", 1);
  EXPECT_EQ((*gallery_->Get("a"))->created_at, slot_.Get()->gallery->Find("a")->created_at);
}

TEST_F(GalleryTest, SameItemAgainIsUnchanged) {
  Reopen();
  MustAdd("a", 1);
  EXPECT_EQ(*Add(Item("a", 1)), AddResult::kUnchanged);
  EXPECT_EQ(gallery_->Totals().photos, 1u);
}

TEST_F(GalleryTest, OtherBytesUnderOneIdFail) {
  Reopen();
  MustAdd("a", 1);
  const absl::Status status = Add(Item("a", 2)).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("photo_id 'a' is already in the gallery with other bytes")));
  EXPECT_EQ((*gallery_->Get("a"))->sha256, Sha256(PhotoBytes(1)));
}

TEST_F(GalleryTest, OtherMetadataUnderOneIdFails) {
  Reopen();
  MustAdd("a", 1);
  NewItem other = Item("a", 1);
  other.metadata = {{"k", "v"}};
  const absl::Status status = Add(other).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("other metadata")));
}

TEST_F(GalleryTest, ReplacePutsTheNewBytesInPlaceOfTheOld) {
  Reopen();
  MustAdd("a", 1);
  EXPECT_EQ(*Add(Item("a", 2, OnConflict::kReplace)), AddResult::kReplaced);
  EXPECT_THAT(Search(2), ElementsAre("a"));
  EXPECT_EQ((*gallery_->Get("a"))->sha256, Sha256(PhotoBytes(2)));
  EXPECT_FALSE(fs::exists(BlobPath(1)));
  EXPECT_EQ(gallery_->Totals().photos, 1u);
  EXPECT_EQ(gallery_->Totals().bytes, PhotoBytes(2).size());
}

TEST_F(GalleryTest, SkipKeepsWhatIsThere) {
  Reopen();
  MustAdd("a", 1);
  EXPECT_EQ(*Add(Item("a", 2, OnConflict::kSkip)), AddResult::kSkipped);
  EXPECT_EQ((*gallery_->Get("a"))->sha256, Sha256(PhotoBytes(1)));
}

TEST_F(GalleryTest, CheckSaysWhatAddWouldDo) {
  Reopen();
  MustAdd("a", 1);
  const std::string same = Sha256(PhotoBytes(1));
  const auto check = [&](const std::string& id, const std::string& sha256, OnConflict conflict) {
    NewItem item;
    item.photo_id = id;
    item.sha256 = sha256;
    item.on_conflict = conflict;
    return gallery_->Check(item);
  };
  EXPECT_EQ(*check("a", same, OnConflict::kFail), AddResult::kUnchanged);
  EXPECT_EQ(*check("b", same, OnConflict::kFail), AddResult::kAdded);
  EXPECT_EQ(*check("a", "other", OnConflict::kReplace), AddResult::kReplaced);
  EXPECT_EQ(*check("a", "other", OnConflict::kSkip), AddResult::kSkipped);
  EXPECT_THAT(check("a", "other", OnConflict::kFail), StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST_F(GalleryTest, BadItemFailsAlone) {
  Reopen();
  std::vector<NewItem> items;
  items.push_back(Item("a", 1));
  items.push_back(Item("b", 2));
  items.back().embedding.pop_back();
  items.push_back(Item("c", 3));
  const auto results = gallery_->Add(items);
  EXPECT_THAT(results[0], IsOk());
  EXPECT_THAT(results[1], StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(results[2], IsOk());
  EXPECT_THAT(Ids(), ElementsAre("a", "c"));
}

TEST_F(GalleryTest, OneCallMayReplaceItsOwnItem) {
  Reopen();
  std::vector<NewItem> items;
  items.push_back(Item("a", 1));
  items.push_back(Item("a", 2, OnConflict::kReplace));
  const auto results = gallery_->Add(items);
  EXPECT_EQ(*results[0], AddResult::kAdded);
  EXPECT_EQ(*results[1], AddResult::kReplaced);
  EXPECT_EQ((*gallery_->Get("a"))->sha256, Sha256(PhotoBytes(2)));
  EXPECT_THAT(Search(2), ElementsAre("a"));
  EXPECT_EQ(gallery_->Totals().photos, 1u);
}

TEST_F(GalleryTest, EmbeddingOfAnotherVersionIsAborted) {
  Reopen(1);
  const NewItem old = Item("a", 1);
  Reopen(2);
  const absl::Status status = Add(old).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted, HasSubstr("version 2 serves now")));
  EXPECT_THAT(Ids(), IsEmpty());
}

static_assert(!std::is_copy_constructible_v<NewItem> && !std::is_copy_assignable_v<NewItem>);

TEST_F(GalleryTest, AbortedItemIsEmbeddedAgainAndAddedWithTheSameBytes) {
  Reopen(1);
  NewItem item = Item("a", 1);
  const char* const bytes = item.bytes.data();
  Reopen(2);
  ASSERT_THAT(Add(item), StatusIs(absl::StatusCode::kAborted));
  NewItem again = Item("a", 1);
  item.version = again.version;
  item.embedding = std::move(again.embedding);
  item.attributes = std::move(again.attributes);
  EXPECT_THAT(Add(item), IsOk());
  EXPECT_EQ(item.bytes.data(), bytes);
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("a")), PhotoBytes(1));
}

TEST_F(GalleryTest, DigestOfTheCallerIsUsedAndTheBytesAreNotHashed) {
  Reopen();
  NewItem item = Item("a", 1);
  item.sha256 = Sha256("other bytes");
  EXPECT_THAT(Add(item), IsOk());
  EXPECT_EQ((*gallery_->Get("a"))->sha256, item.sha256);
  EXPECT_THAT(gallery_->ReadBlob(**gallery_->Get("a")), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(GalleryTest, AddBeforeTheFirstModelIsUnavailable) {
  Reopen();
  const NewItem item = Item("a", 1);
  gallery_.reset();
  slot_.Set(nullptr);
  gallery_ = *Gallery::Open(options_, &slot_);
  EXPECT_THAT(Add(item), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(GalleryTest, DeletedPhotoIsNeverReturnedAgain) {
  Reopen();
  MustAdd("a", 1);
  MustAdd("b", 2);
  EXPECT_THAT(*gallery_->Delete({"a", "missing", "a"}), ElementsAre(true, false, false));
  EXPECT_THAT(Search(1), ElementsAre("b"));
  EXPECT_THAT(gallery_->Get("a"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_FALSE(fs::exists(BlobPath(1)));
  Reopen();
  EXPECT_THAT(Search(1), ElementsAre("b"));
  EXPECT_EQ(gallery_->Totals().photos, 1u);
}

TEST_F(GalleryTest, BlobStaysWhileAnotherItemHasTheSameBytes) {
  Reopen();
  MustAdd("a", 1);
  MustAdd("b", 1);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(1));
}

TEST_F(GalleryTest, NewMetadataIsSearchedAtOnceAndKept) {
  Reopen();
  MustAdd("a", 1);
  ASSERT_THAT(gallery_->UpdateMetadata("a", {{"k", "new"}}), IsOk());
  EXPECT_EQ(slot_.Get()->gallery->Find("a")->metadata.at("k"), "new");
  Reopen();
  EXPECT_EQ((*gallery_->Get("a"))->metadata.at("k"), "new");
  EXPECT_THAT(Search(1), ElementsAre("a"));
}

TEST_F(GalleryTest, MetadataOfAnUnknownIdIsNotFound) {
  Reopen();
  EXPECT_THAT(gallery_->UpdateMetadata("a", {}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(GalleryTest, ListPagesInOrderOfId) {
  Reopen();
  for (const char* id : {"c", "a", "b", "d"}) MustAdd(id, static_cast<uint32_t>(id[0]));
  EXPECT_THAT(Ids("", 3), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Ids("c", 3), ElementsAre("d"));
}

TEST_F(GalleryTest, ListFiltersByMetadataAndAttributes) {
  Reopen();
  NewItem item = Item("a", 1);
  item.metadata = {{"k", "v"}};
  ASSERT_THAT(Add(item), IsOk());
  MustAdd("b", 2);
  GalleryFilter metadata;
  metadata.metadata = {{"k", "v"}};
  EXPECT_THAT(Ids("", 10, metadata), ElementsAre("a"));
  const float red = Item("b", 2).attributes[0];
  GalleryFilter attribute;
  attribute.attributes = {{"red", red, red}};
  EXPECT_THAT(Ids("", 10, attribute), ElementsAre("b"));
  attribute.attributes = {{"smell", 0, 1}};
  EXPECT_THAT(gallery_->List("", 10, attribute), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(GalleryTest, NewerModelAtTheNextStartEmbedsEverythingAgain) {
  Reopen(1);
  for (uint32_t i = 0; i < 40; ++i) MustAdd(absl::StrCat("p", i), i);
  Reopen(2);
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 40);
  EXPECT_EQ(Search(17).front(), "p17");
}

TEST_F(GalleryTest, RollBackEmbedsOnlyWhatCameSince) {
  Reopen(1);
  MustAdd("a", 1);
  Reopen(2);
  MustAdd("b", 2);
  int64_t embedded = -1;
  ActivationCallbacks callbacks;
  callbacks.progress = [&](int64_t, int64_t total) { embedded = total; };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(1), callbacks), IsOk());
  EXPECT_EQ(embedded, 1);
  EXPECT_EQ(slot_.Get()->version, 1);
  EXPECT_EQ(Search(2).front(), "b");
}

TEST_F(GalleryTest, EmbeddingsOfVersionsLongRetiredAreDropped) {
  Reopen(1);
  MustAdd("a", 1);
  Reopen(2);
  Reopen(3);
  ASSERT_THAT(gallery_->DropRetired(), IsOk());
  int64_t total = -1;
  ActivationCallbacks callbacks;
  callbacks.progress = [&](int64_t, int64_t all) { total = all; };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(1), callbacks), IsOk());
  EXPECT_EQ(total, 1);
}

TEST_F(GalleryTest, InterruptedEmbeddingResumes) {
  Reopen(1);
  for (uint32_t i = 0; i < 50; ++i) MustAdd(absl::StrCat("p", i), i);
  FakeEncoderOptions options;
  options.version = 2;
  int batches = 0;
  options.on_encode = [&](absl::Span<const EncoderInput>) {
    return ++batches == 2 ? absl::InternalError("device lost") : absl::OkStatus();
  };
  const auto encoder = std::make_shared<FakeEncoder>(options);
  EXPECT_EQ(gallery_->Activate(encoder).message(), "device lost");
  EXPECT_EQ(slot_.Get()->version, 1);
  int64_t left = -1;
  ActivationCallbacks callbacks;
  callbacks.progress = [&](int64_t done, int64_t total) {
    if (done == 0) left = total;
  };
  ASSERT_THAT(gallery_->Activate(encoder, callbacks), IsOk());
  EXPECT_EQ(left, 50 - 32);
  EXPECT_EQ(slot_.Get()->gallery->size(), 50);
}

TEST_F(GalleryTest, DamagedPhotoIsReportedAndLeftOutNotDeleted) {
  Reopen(1);
  MustAdd("a", 1);
  MustAdd("b", 2);
  std::ofstream(BlobPath(1), std::ios::in | std::ios::out) << "X";
  std::vector<std::string> damaged;
  absl::Status reason;
  ActivationCallbacks callbacks;
  callbacks.on_left_out = [&](const std::string& id, const absl::Status& status) {
    damaged.push_back(id);
    reason = status;
  };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(2), callbacks), IsOk());
  EXPECT_THAT(damaged, ElementsAre("a"));
  EXPECT_THAT(reason, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(Search(1), ElementsAre("b"));
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
  EXPECT_THAT(gallery_->ReadBlob(**gallery_->Get("a")), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(GalleryTest, PhotoThatTheEncoderRefusesDoesNotTakeOthersWithIt) {
  Reopen(1);
  for (uint32_t i = 0; i < 3; ++i) MustAdd(absl::StrCat("p", i), i);
  FakeEncoderOptions options;
  options.version = 2;
  const uint8_t refused = PhotoImage(1).pixels()[0];
  options.on_encode = [&](absl::Span<const EncoderInput> inputs) {
    for (const EncoderInput& input : inputs) {
      if (input.image->pixels()[0] == refused) return absl::InvalidArgumentError("odd");
    }
    return absl::OkStatus();
  };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(options)), IsOk());
  EXPECT_EQ(slot_.Get()->gallery->size(), 2);
  EXPECT_EQ(slot_.Get()->gallery->Find("p1"), nullptr);
}

TEST_F(GalleryTest, EncoderThatRefusesEveryPhotoEndsTheActivation) {
  Reopen(1);
  for (uint32_t i = 0; i < 3; ++i) MustAdd(absl::StrCat("p", i), i);
  FakeEncoderOptions options;
  options.version = 2;
  options.on_encode = [](absl::Span<const EncoderInput>) {
    return absl::InvalidArgumentError("odd");
  };
  EXPECT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(options)),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("refuses all of 3 photos")));
  EXPECT_EQ(slot_.Get()->version, 1);
  EXPECT_EQ(slot_.Get()->gallery->size(), 3);
}

TEST_F(GalleryTest, PhotoAddedWhileANewVersionEmbedsIsInIt) {
  Reopen(1);
  MustAdd("a", 1);
  FakeEncoderOptions options;
  options.version = 2;
  bool added = false;
  options.on_encode = [&](absl::Span<const EncoderInput>) {
    if (!added) MustAdd("b", 2);
    added = true;
    return absl::OkStatus();
  };
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(options)), IsOk());
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(Search(2).front(), "b");
  EXPECT_EQ(slot_.Get()->gallery->size(), 2);
}

TEST_F(GalleryTest, SecondGalleryOnOneFolderIsRefused) {
  Reopen();
  SnapshotSlot slot;
  const absl::Status status = Gallery::Open(options_, &slot).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               HasSubstr(options_.data_dir + ": in use by process")));
}

TEST_F(GalleryTest, PinSurvivesReopening) {
  Reopen();
  EXPECT_EQ(*gallery_->PinnedVersion(), std::nullopt);
  ASSERT_THAT(gallery_->SetPinnedVersion(7), IsOk());
  Reopen();
  EXPECT_EQ(*gallery_->PinnedVersion(), 7);
  ASSERT_THAT(gallery_->SetPinnedVersion(std::nullopt), IsOk());
  EXPECT_EQ(*gallery_->PinnedVersion(), std::nullopt);
}

TEST_F(GalleryTest, BadOptionIsNamed) {
  options_.keep_versions = 0;
  EXPECT_THAT(Gallery::Open(options_, &slot_).status().message(), HasSubstr("keep_versions"));
}

// Nothing passes the filter, so that the whole catalogue would be read.
TEST_F(GalleryTest, ListThatNobodyWaitsForStopsBeforeTheNextPage) {
  Reopen();
  std::vector<NewItem> items;
  for (uint32_t i = 0; i < 3 * kCataloguePageSize; ++i) {
    items.push_back(Item(absl::StrCat("p", i), i));
  }
  for (const auto& added : gallery_->Add(items)) ASSERT_THAT(added, IsOk());
  GalleryFilter filter;
  filter.metadata = {{"nobody", "has this"}};
  int asked = 0;
  const auto wanted = [&asked] { return ++asked, absl::OkStatus(); };
  EXPECT_THAT(*gallery_->List("", 10, filter, wanted), testing::IsEmpty());
  EXPECT_EQ(asked, 4);
  asked = 0;
  const auto left = [&asked] {
    return ++asked < 2 ? absl::OkStatus() : absl::CancelledError("the caller has left");
  };
  EXPECT_THAT(gallery_->List("", 10, filter, left),
              StatusIs(absl::StatusCode::kCancelled, "the caller has left"));
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace s2p::test
