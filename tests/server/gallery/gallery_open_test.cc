// A start compares catalogue and photos, and deletes nothing that could be needed.
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "server/storage/orphaned_blobs.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class GalleryOpenTest : public GalleryTest {
 protected:
  GalleryOpenTest() {
    options_.on_open = [this](const GalleryFindings& findings) { findings_ = findings; };
  }
  // Creates a gallery of the photos a, b, c, and closes it cleanly.
  void FillAndClose() {
    Reopen();
    MustAdd("a", 1);
    MustAdd("b", 2);
    MustAdd("c", 3);
    Close();
  }
  void Close() {
    gallery_.reset();
    slot_.Set(nullptr);
  }
  absl::Status OpenStatus() {
    Close();
    return Gallery::Open(options_, &slot_).status();
  }
  std::string Database() const { return options_.data_dir + "/gallery.db"; }
  std::string Photos() const { return options_.data_dir + "/photos"; }
  // Copies the catalogue of a closed gallery.
  void KeepCatalogue() const { fs::copy_file(Database(), dir_.File("older")); }
  void PutBack() {
    Close();
    fs::rename(dir_.File("older"), Database());
  }
  // As PutBack, but as if another gallery had written the catalogue, so that nobody knows whether
  // catalogue or journal is newer.
  void PutBackAsAnothers() {
    auto older = Catalogue::Open(dir_.File("older"));
    ASSERT_THAT(older, IsOk());
    ASSERT_THAT((*older)->SetJournalPosition({1, 1}), IsOk());
    older->reset();
    PutBack();
  }
  // Paths of all photos, also of those that are set aside.
  std::set<std::string> Files() const {
    std::set<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(Photos())) {
      const bool journal = entry.path().filename() == std::string(kItemJournalName);
      if (entry.is_regular_file() && !journal) files.insert(entry.path().string());
    }
    return files;
  }
  // Writes files named like blobs that belong to no item.
  void WriteOrphans(int count) const {
    for (int i = 0; i < count; ++i) {
      const std::string sha256 = Sha256(absl::StrCat("orphan ", i));
      const std::string folder = absl::StrCat(Photos(), "/", sha256.substr(0, 2));
      fs::create_directories(folder);
      std::ofstream(absl::StrCat(folder, "/", sha256)) << i;
    }
  }

  GalleryFindings findings_;
};

TEST_F(GalleryOpenTest, MissingCatalogueNextToPhotosIsRefusedAndNoPhotoGoes) {
  FillAndClose();
  const std::set<std::string> before = Files();
  fs::rename(Database(), dir_.File("gallery.db.bad"));
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(StartsWith(Database() + ": is missing"), HasSubstr(Photos()),
                             HasSubstr("s2p-server restore"), HasSubstr("s2p-server rebuild"))));
  EXPECT_EQ(Files(), before);
  EXPECT_FALSE(fs::exists(Database()));
}

TEST_F(GalleryOpenTest, MissingCatalogueOfPhotosThatAreAllSetAsideIsRefused) {
  Reopen();
  WriteOrphans(1);
  Close();
  Reopen();
  Close();
  ASSERT_EQ(findings_.orphans_set_aside, 1);
  fs::remove(Database());
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(GalleryOpenTest, CatalogueThatComesBackServesTheSamePhotos) {
  FillAndClose();
  fs::rename(Database(), dir_.File("gallery.db.bad"));
  ASSERT_FALSE(OpenStatus().ok());
  fs::rename(dir_.File("gallery.db.bad"), Database());
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(2));
}

TEST_F(GalleryOpenTest, EmptyCatalogueNextToPhotosIsRefused) {
  FillAndClose();
  fs::resize_file(Database(), 0);
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               StartsWith(Database() + ": is empty")));
  EXPECT_EQ(Files().size(), 3u);
}

TEST_F(GalleryOpenTest, LinkToACatalogueThatIsNotMountedIsRefused) {
  FillAndClose();
  fs::remove(Database());
  fs::create_symlink(dir_.File("not/mounted/gallery.db"), Database());
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(Files().size(), 3u);
}

// Until SQLite folds the log in, gallery.db itself has no table.
TEST_F(GalleryOpenTest, YoungCatalogueCopiedWithoutItsLogIsRefused) {
  Reopen();
  MustAdd("a", 1);
  Close();
  fs::remove(Database());
  auto young = *Catalogue::Open(Database());
  fs::copy_file(Database(), dir_.File("copy"));
  young.reset();
  fs::rename(dir_.File("copy"), Database());
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("gallery.db-wal")));
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(GalleryOpenTest, AnotherCatalogueSetsPhotosAsideAndTheRightOneBringsThemBack) {
  FillAndClose();
  KeepCatalogue();
  Reopen();
  MustAdd("d", 4);
  Close();
  fs::rename(Database(), dir_.File("newer"));
  PutBackAsAnothers();
  Reopen();
  EXPECT_EQ(findings_.orphans_set_aside, 1);
  EXPECT_EQ(findings_.orphans_kept, 1);
  EXPECT_FALSE(fs::exists(BlobPath(4)));
  Close();
  fs::rename(dir_.File("newer"), Database());
  Reopen();
  EXPECT_EQ(findings_.brought_back, 1);
  EXPECT_EQ(findings_.orphans_kept, 0);
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("d")), PhotoBytes(4));
}

TEST_F(GalleryOpenTest, LogWithoutItsCatalogueIsKept) {
  Reopen();
  Close();
  fs::remove(Database());
  std::ofstream(Database() + "-wal") << "the last writes";
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(Database() + "-wal")));
  EXPECT_TRUE(fs::exists(Database() + "-wal"));
}

TEST_F(GalleryOpenTest, FileThatIsNoDatabaseIsDataLossWithTheWayOut) {
  FillAndClose();
  std::ofstream(Database(), std::ios::trunc) << std::string(8192, 'x');
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr(Database()), HasSubstr("s2p-server restore"))));
  EXPECT_EQ(Files().size(), 3u);
}

TEST_F(GalleryOpenTest, EmptyFileWithoutPhotosBecomesACatalogue) {
  fs::create_directories(options_.data_dir);
  std::ofstream(Database()) << "";
  FillAndClose();
  EXPECT_TRUE(findings_.created);
  Reopen();
  EXPECT_FALSE(findings_.created);
}

TEST_F(GalleryOpenTest, OrphanMovesToTheFolderOfTheDay) {
  FillAndClose();
  WriteOrphans(1);
  Reopen();
  EXPECT_THAT(findings_.orphan_folder, StartsWith(Photos() + "/.orphans/"));
  EXPECT_TRUE(fs::exists(absl::StrCat(findings_.orphan_folder, "/", Sha256("orphan 0").substr(0, 2),
                                      "/", Sha256("orphan 0"))));
  EXPECT_EQ(findings_.orphans_set_aside, 1);
  EXPECT_EQ(findings_.missing, 0);
}

TEST_F(GalleryOpenTest, OrphanIsCountedForAsLongAsItIsKept) {
  FillAndClose();
  WriteOrphans(1);
  Reopen();
  Reopen();
  EXPECT_EQ(findings_.orphans_set_aside, 0);
  EXPECT_EQ(findings_.orphans_kept, 1);
}

TEST_F(GalleryOpenTest, HalfWrittenPhotoIsDeleted) {
  FillAndClose();
  std::ofstream(BlobPath(1) + ".tmp") << "half";
  Reopen();
  EXPECT_FALSE(fs::exists(BlobPath(1) + ".tmp"));
  EXPECT_EQ(findings_.orphans_kept, 0);
}

TEST_F(GalleryOpenTest, MoreOrphansThanACrashLeavesAreRefusedAndStay) {
  FillAndClose();
  WriteOrphans(1001);
  const absl::Status status = OpenStatus();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(StartsWith(Photos() + ": 1001 photos"),
                                     HasSubstr("which has 3"), HasSubstr("--set-aside-orphans"))));
  EXPECT_EQ(Files().size(), 1004u);
  EXPECT_FALSE(fs::exists(Photos() + "/.orphans"));
}

TEST_F(GalleryOpenTest, ThousandOrphansAreSetAsideWithoutAFlag) {
  FillAndClose();
  WriteOrphans(1000);
  EXPECT_THAT(OpenStatus(), IsOk());
  EXPECT_EQ(findings_.orphans_set_aside, 1000);
}

TEST_F(GalleryOpenTest, FlagSetsAnyNumberOfOrphansAside) {
  FillAndClose();
  WriteOrphans(1001);
  options_.set_aside_orphans = true;
  EXPECT_THAT(OpenStatus(), IsOk());
  EXPECT_EQ(findings_.orphans_set_aside, 1001);
  EXPECT_EQ(Files().size(), 1004u);
}

TEST_F(GalleryOpenTest, MissingPhotosAreCounted) {
  FillAndClose();
  fs::remove_all(Photos());
  Reopen();
  EXPECT_EQ(findings_.missing, 3);
  EXPECT_THAT(findings_.missing_digests,
              ElementsAre(Sha256(PhotoBytes(1)), Sha256(PhotoBytes(2)), Sha256(PhotoBytes(3))));
  EXPECT_EQ(findings_.orphans_set_aside, 0);
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c"));
}

TEST_F(GalleryOpenTest, MissingPhotoIsDataLossAndTheSamePhotoAddedAgainReplacesIt) {
  FillAndClose();
  fs::remove(BlobPath(2));
  Reopen();
  const absl::Status status = gallery_->ReadBlob(**gallery_->Get("b")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                               AllOf(HasSubstr("'b'"), Not(HasSubstr(Photos())))));
  EXPECT_EQ(*Add(Item("b", 2)), AddResult::kReplaced);
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(2));
  EXPECT_EQ(*Add(Item("b", 2)), AddResult::kUnchanged);
}

TEST_F(GalleryOpenTest, PhotoOfADeletedItemIsNotFound) {
  Reopen();
  MustAdd("a", 1);
  const auto item = *gallery_->Get("a");
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_THAT(gallery_->ReadBlob(*item), StatusIs(absl::StatusCode::kNotFound));
}

// The journal of the photos that a start finds.
class GalleryJournalTest : public GalleryOpenTest {
 protected:
  std::string JournalPath() const { return absl::StrCat(Photos(), "/", kItemJournalName); }
  std::set<std::string> Recorded() const {
    std::set<std::string> ids;
    const auto journal = ItemJournal::OpenReader(JournalPath());
    EXPECT_THAT(journal, IsOk());
    EXPECT_THAT((*journal)->ForEach([&](const GalleryItem& item) {
      ids.insert(item.photo_id);
      return absl::OkStatus();
    }),
                IsOk());
    return ids;
  }
};

TEST_F(GalleryJournalTest, FolderWithoutAJournalGetsOneFromTheCatalogue) {
  FillAndClose();
  fs::remove(JournalPath());
  Reopen();
  EXPECT_TRUE(findings_.journal.created);
  EXPECT_EQ(findings_.journal_items_added, 3);
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c"));
}

TEST_F(GalleryJournalTest, WritesAreInTheJournalWhenTheyAreAnswered) {
  FillAndClose();
  Reopen();
  MustAdd("d", 4);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_THAT(Recorded(), ElementsAre("b", "c", "d"));
  EXPECT_EQ(findings_.journal_items_added, 0);
}

TEST_F(GalleryJournalTest, WritesOfAProgramWithoutAJournalAreCaughtUpWith) {
  FillAndClose();
  fs::copy_file(JournalPath(), dir_.File("journal"));
  Reopen();
  ASSERT_THAT(gallery_->UpdateMetadata("c", {{"x", "y"}}), IsOk());
  MustAdd("d", 4);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  Close();
  fs::rename(dir_.File("journal"), JournalPath());
  Reopen();
  EXPECT_EQ(findings_.journal_items_added, 2);
  EXPECT_THAT(Recorded(), ElementsAre("b", "c", "d"));
}

TEST_F(GalleryJournalTest, DamageIsNamedAndMadeGoodFromTheCatalogue) {
  FillAndClose();
  std::fstream file(JournalPath());
  file.seekp(static_cast<std::streamoff>(fs::file_size(JournalPath()) / 2));
  file << "damage";
  file.close();
  Reopen();
  EXPECT_EQ(findings_.journal.damaged.size(), 1u);
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c"));
  Reopen();
  EXPECT_THAT(findings_.journal.damaged, IsEmpty());
}

TEST_F(GalleryJournalTest, PhotoWhoseDeletionACrashInterruptedIsRemovedAndNotSetAside) {
  FillAndClose();
  const std::string bytes = PhotoBytes(2);
  Reopen();
  const auto item = *gallery_->Get("b");
  ASSERT_THAT(gallery_->Delete({"b"}), IsOk());
  Close();
  // As if the process had been killed after the commit.
  auto journal = *ItemJournal::Open(JournalPath());
  ASSERT_THAT(journal->Append({item.get()}, {}), IsOk());
  ASSERT_THAT(journal->Append({}, {"b"}), IsOk());
  journal.reset();
  std::ofstream(BlobPath(2)) << bytes;
  Reopen();
  EXPECT_FALSE(fs::exists(BlobPath(2)));
  EXPECT_EQ(findings_.deletions_finished, 1);
  EXPECT_EQ(findings_.orphans_kept, 0);
}

TEST_F(GalleryJournalTest, CopyThatIsSetAsideIsRemovedWithAPhotoWhoseDeletionACrashInterrupted) {
  FillAndClose();
  Reopen();
  const auto item = *gallery_->Get("b");
  ASSERT_THAT(gallery_->Delete({"b"}), IsOk());
  Close();
  // As if the process had been killed after it had removed the photo, but not yet the copy.
  auto journal = *ItemJournal::Open(JournalPath());
  ASSERT_THAT(journal->Append({item.get()}, {}), IsOk());
  ASSERT_THAT(journal->Append({}, {"b"}), IsOk());
  journal.reset();
  const BlobStore blobs = *BlobStore::Open(Photos());
  ASSERT_THAT(blobs.Write({{item->sha256, PhotoBytes(2)}}), IsOk());
  ASSERT_THAT(OrphanedBlobs(&blobs).SetAside({item->sha256}, absl::Now()), IsOk());
  Reopen();
  EXPECT_EQ(findings_.deletions_finished, 1);
  EXPECT_EQ(findings_.orphans_kept, 0);
  EXPECT_EQ(Files().size(), 2u);
}

TEST_F(GalleryJournalTest, PhotoThatCouldNotBeRemovedIsRecordedUntilALaterWriteRemovesIt) {
  FillAndClose();
  Reopen();
  // A folder in its place cannot be removed as a file.
  fs::remove(BlobPath(2));
  fs::create_directory(BlobPath(2));
  ASSERT_THAT(gallery_->Delete({"b"}), IsOk());
  ASSERT_THAT(gallery_->UpdateMetadata("a", {{"x", "y"}}), IsOk());
  EXPECT_THAT(*(*ItemJournal::OpenReader(JournalPath()))->Unerased(),
              testing::Contains(testing::Field(&GalleryItem::photo_id, "b")));
  fs::remove(BlobPath(2));
  std::ofstream(BlobPath(2)) << PhotoBytes(2);
  ASSERT_THAT(gallery_->UpdateMetadata("a", {}), IsOk());
  EXPECT_FALSE(fs::exists(BlobPath(2)));
  EXPECT_THAT(*(*ItemJournal::OpenReader(JournalPath()))->Unerased(), IsEmpty());
}

TEST_F(GalleryJournalTest, PhotoWhoseMetadataChangedBeforeACrashIsSetAsideAndNotRemoved) {
  FillAndClose();
  KeepCatalogue();
  Reopen();
  MustAdd("d", 4);
  GalleryItem changed = **gallery_->Get("d");
  Close();
  changed.metadata = {{"x", "y"}};
  auto journal = *ItemJournal::Open(JournalPath());
  ASSERT_THAT(journal->Append({&changed}, {}), IsOk());
  ASSERT_EQ(journal->Unerased()->size(), 1u);
  journal.reset();
  PutBackAsAnothers();
  Reopen();
  EXPECT_EQ(findings_.deletions_finished, 0);
  EXPECT_EQ(findings_.orphans_set_aside, 1);
}

TEST_F(GalleryJournalTest, FactsAboutPhotosThatAreSetAsideAreKept) {
  FillAndClose();
  KeepCatalogue();
  Reopen();
  MustAdd("d", 4);
  PutBackAsAnothers();
  Reopen();
  ASSERT_EQ(findings_.orphans_set_aside, 1);
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(GalleryJournalTest, DeletionOfAnItemThatIsSetAsideRemovesItsPhotoAndItsFacts) {
  FillAndClose();
  KeepCatalogue();
  Reopen();
  MustAdd("d", 4);
  PutBackAsAnothers();
  Reopen();
  ASSERT_EQ(findings_.orphans_kept, 1);
  EXPECT_THAT(*gallery_->Delete({"d"}), ElementsAre(false));
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Files().size(), 3u);
  Reopen();
  EXPECT_EQ(findings_.orphans_kept, 0);
}

TEST_F(GalleryJournalTest, PhotoThatAnotherItemSharesStaysSetAside) {
  FillAndClose();
  KeepCatalogue();
  Reopen();
  MustAdd("d", 4);
  MustAdd("e", 4);
  PutBackAsAnothers();
  Reopen();
  EXPECT_THAT(*gallery_->Delete({"d"}), ElementsAre(false));
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c", "e"));
  EXPECT_EQ(Files().size(), 4u);
}

TEST_F(GalleryJournalTest, JournalWithoutCatalogueAndPhotosIsRefused) {
  FillAndClose();
  fs::remove(Database());
  for (const std::string& photo : Files()) fs::remove(photo);
  EXPECT_THAT(OpenStatus(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c"));
}

// An older catalogue is put back next to the journal of everything that was written since.
class OlderCatalogueTest : public GalleryJournalTest {
 protected:
  void SetUp() override {
    FillAndClose();
    KeepCatalogue();
    Reopen();
  }
  void UpdateMetadata(const std::string& photo_id,
                      const std::map<std::string, std::string>& metadata) {
    ASSERT_THAT(gallery_->UpdateMetadata(photo_id, metadata), IsOk());
  }
  void Delete(const std::string& photo_id) { ASSERT_THAT(gallery_->Delete({photo_id}), IsOk()); }
  void ForgetNumber() const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(dir_.File("older").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, "DROP TABLE journal_position", nullptr, nullptr, nullptr),
              SQLITE_OK);
    EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  }
};

TEST_F(OlderCatalogueTest, NothingThatWasAnsweredIsLostAndWhatWasDeletedStaysSo) {
  MustAdd("d", 4);
  Delete("a");
  ASSERT_EQ(*Add(Item("b", 5, OnConflict::kReplace)), AddResult::kReplaced);
  UpdateMetadata("c", {{"x", "y"}});
  PutBack();
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("b", "c", "d"));
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("b")), PhotoBytes(5));
  EXPECT_EQ((*gallery_->Get("c"))->metadata.at("x"), "y");
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("d")), PhotoBytes(4));
  EXPECT_THAT(Search(4, 1), ElementsAre("d"));
  EXPECT_THAT(Search(5, 1), ElementsAre("b"));
  EXPECT_EQ(gallery_->Totals().photos, 3u);
  EXPECT_EQ(findings_.catch_up.writes, 4);
  EXPECT_EQ(findings_.catch_up.added, 1);
  EXPECT_EQ(findings_.catch_up.changed, 2);
  EXPECT_EQ(findings_.catch_up.removed, 1);
  EXPECT_EQ(findings_.orphans_kept, 0);
  EXPECT_EQ(findings_.missing, 0);
  Reopen();
  EXPECT_EQ(findings_.catch_up.writes, 0);
  EXPECT_THAT(Recorded(), ElementsAre("b", "c", "d"));
}

TEST_F(OlderCatalogueTest, MorePhotosThanACrashLeavesAreTakenFromTheJournal) {
  for (uint32_t i = 0; i < 11; ++i) {
    std::vector<NewItem> items;
    for (uint32_t j = 0; j < 100; ++j) {
      items.push_back(Item(absl::StrCat("m", i * 100 + j), 1000 + i * 100 + j));
    }
    for (const auto& added : gallery_->Add(items)) ASSERT_THAT(added, IsOk());
  }
  PutBack();
  Reopen();
  EXPECT_EQ(Ids("", 10'000).size(), 1103u);
  EXPECT_EQ(findings_.catch_up.added, 1100);
  EXPECT_EQ(findings_.orphans_kept, 0);
}

TEST_F(OlderCatalogueTest, WriteThatACrashKeptFromTheCatalogueIsFinished) {
  Delete("b");
  PutBack();
  // The crash came before the photo was removed, and before its line was overwritten.
  std::ofstream(BlobPath(2)) << PhotoBytes(2);
  Reopen();
  EXPECT_EQ(findings_.catch_up.writes, 1);
  EXPECT_THAT(Ids(), ElementsAre("a", "c"));
  EXPECT_THAT(Recorded(), ElementsAre("a", "c"));
}

TEST_F(OlderCatalogueTest, DeletedItemStaysSoThoughAnotherHasTheSamePhoto) {
  MustAdd("also b", 2);
  Delete("b");
  PutBack();
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "also b", "c"));
}

TEST_F(OlderCatalogueTest, EmbeddingsOfWhatStaysAreKept) {
  MustAdd("d", 4);
  UpdateMetadata("c", {{"x", "y"}});
  Delete("a");
  PutBack();
  auto gallery = Gallery::Open(options_, &slot_);
  ASSERT_THAT(gallery, IsOk());
  EXPECT_EQ(*(*gallery)->CountWithoutEmbedding(1), 1);
}

TEST_F(OlderCatalogueTest, EmbeddingsOfAnInterruptedVersionOutliveAWriteThatACrashInterrupted) {
  ActivationCallbacks stop;
  stop.after_batch = [](absl::Duration) { return absl::CancelledError("stop"); };
  ASSERT_FALSE(gallery_->Activate(std::make_shared<FakeEncoder>(2), stop).ok());
  fs::remove(dir_.File("older"));
  Close();
  KeepCatalogue();
  Reopen();
  MustAdd("d", 4);
  PutBack();
  Reopen();
  ASSERT_THAT(Ids(), ElementsAre("a", "b", "c", "d"));
  ASSERT_THAT(gallery_->DropRetired(), IsOk());
  EXPECT_EQ(*gallery_->CountWithoutEmbedding(2), 1);
}

TEST_F(OlderCatalogueTest, ThatOfAnOlderProgramFollowsToo) {
  MustAdd("d", 4);
  Delete("a");
  UpdateMetadata("c", {{"x", "y"}});
  ForgetNumber();
  PutBack();
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("b", "c", "d"));
  EXPECT_EQ((*gallery_->Get("c"))->metadata.at("x"), "y");
  EXPECT_EQ(findings_.orphans_kept, 0);
}

// The line that is damaged may be that of any item.
TEST_F(OlderCatalogueTest, DamagedJournalRemovesNoItemWhosePhotoIsThere) {
  Delete("a");
  PutBack();
  std::fstream file(JournalPath());
  std::string journal(fs::file_size(JournalPath()), ' ');
  file.read(&journal[0], static_cast<std::streamsize>(journal.size()));
  file.seekp(static_cast<std::streamoff>(journal.find("\titem\tb\t")));
  file << "damage";
  file.close();
  Reopen();
  EXPECT_EQ(findings_.journal.damaged.size(), 1u);
  EXPECT_THAT(Ids(), ElementsAre("b", "c"));
  EXPECT_THAT(Recorded(), ElementsAre("b", "c"));
}

TEST_F(OlderCatalogueTest, PhotoThatAnEarlierStartHasSetAsideStaysThere) {
  MustAdd("d", 4);
  PutBackAsAnothers();
  Reopen();
  ASSERT_EQ(findings_.orphans_kept, 1);
  Close();
  KeepCatalogue();
  Reopen();
  MustAdd("e", 5);
  PutBack();
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c", "e"));
  EXPECT_EQ(findings_.orphans_kept, 1);
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(OlderCatalogueTest, ThatFromBeforeTheJournalWasLostIsStillKnownAsOlder) {
  MustAdd("d", 4);
  Close();
  fs::remove(JournalPath());
  Reopen();
  ASSERT_THAT(Recorded(), ElementsAre("a", "b", "c", "d"));
  PutBack();
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c", "d"));
}

// A start with another gallery's catalogue has changed the journal, which must not change the right
// catalogue in turn.
class StrangeCatalogueTest : public GalleryJournalTest {
 protected:
  // The other gallery has an id and a photo of this one.
  void FillBoth() {
    Reopen();
    MustAdd("a", 1);
    MustAdd("id", 2);
    MustAdd("shared", 3);
    Close();
    fs::rename(options_.data_dir, dir_.File("right"));
    Reopen();
    MustAdd("b", 4);
    MustAdd("id", 5);
    MustAdd("also shared", 3);
    Close();
    fs::rename(Database(), dir_.File("other"));
    fs::remove_all(options_.data_dir);
    fs::rename(dir_.File("right"), options_.data_dir);
    fs::rename(Database(), dir_.File("right"));
  }
  void ForgetNumberOf(const std::string& path) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, "DELETE FROM journal_position", nullptr, nullptr, nullptr),
              SQLITE_OK);
    EXPECT_EQ(sqlite3_close(database), SQLITE_OK);
  }
  void ExpectRightOneUnchanged() {
    Close();
    fs::remove(Database());
    fs::rename(dir_.File("right"), Database());
    Reopen();
    EXPECT_FALSE(findings_.catch_up.any());
    EXPECT_EQ(findings_.missing, 0);
    EXPECT_THAT(Ids(), ElementsAre("a", "id", "shared"));
    EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("a")), PhotoBytes(1));
    EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("id")), PhotoBytes(2));
    EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("shared")), PhotoBytes(3));
    EXPECT_THAT(Recorded(), ElementsAre("a", "id", "shared"));
  }
};

TEST_F(StrangeCatalogueTest, StartWithItDoesNotChangeTheRightOne) {
  FillBoth();
  fs::rename(dir_.File("other"), Database());
  Reopen();
  ASSERT_THAT(Ids(), ElementsAre("also shared", "b", "id"));
  ExpectRightOneUnchanged();
}

TEST_F(StrangeCatalogueTest, StartWithOneThatHasNoNumberDoesNotChangeTheRightOne) {
  FillBoth();
  ForgetNumberOf(dir_.File("other"));
  fs::rename(dir_.File("other"), Database());
  Reopen();
  ASSERT_THAT(Ids(), ElementsAre("a", "also shared", "id", "shared"));
  ASSERT_THAT(gallery_->UpdateMetadata("id", {{"x", "y"}}), IsOk());
  ExpectRightOneUnchanged();
}

TEST_F(StrangeCatalogueTest, OneThatHasNoNumberAndNothingInCommonIsRefusedAndStays) {
  FillAndClose();
  fs::rename(options_.data_dir, dir_.File("right"));
  Reopen();
  MustAdd("d", 4);
  MustAdd("e", 5);
  Close();
  fs::copy_file(Database(), dir_.File("right/gallery.db"), fs::copy_options::overwrite_existing);
  fs::remove_all(options_.data_dir);
  fs::rename(dir_.File("right"), options_.data_dir);
  ForgetNumberOf(Database());
  const auto bytes = [this] {
    std::ifstream file(Database(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string before = bytes();
  const std::set<std::string> photos = Files();
  EXPECT_THAT(OpenStatus(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("2 of its 2 items"), HasSubstr("--set-aside-orphans"))));
  EXPECT_TRUE(bytes() == before);
  EXPECT_EQ(Files(), photos);
  EXPECT_THAT(Recorded(), ElementsAre("a", "b", "c"));
  options_.set_aside_orphans = true;
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("d", "e"));
  EXPECT_EQ(findings_.orphans_set_aside, 3);
}

TEST_F(StrangeCatalogueTest, OneThatHasNoNumberAndWouldLoseManyItemsIsRefused) {
  FillAndClose();
  Reopen();
  std::vector<NewItem> items;
  for (uint32_t i = 0; i < 1001; ++i) items.push_back(Item(absl::StrCat("m", i), 1000 + i));
  for (const auto& added : gallery_->Add(items)) ASSERT_THAT(added, IsOk());
  Close();
  KeepCatalogue();
  ForgetNumberOf(dir_.File("older"));
  Reopen();
  std::vector<std::string> ids;
  for (const NewItem& item : items) ids.push_back(item.photo_id);
  ASSERT_THAT(gallery_->Delete(ids), IsOk());
  PutBack();
  EXPECT_THAT(OpenStatus(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("1001 of its 1004 items")));
  auto catalogue = Catalogue::OpenReader(Database());
  ASSERT_THAT(catalogue, IsOk());
  EXPECT_EQ((*catalogue)->Totals()->photos, 1004u);
}

TEST_F(GalleryJournalTest, WritesAreNumberedThoughTheJournalCannotBeWrittenAnew) {
  FillAndClose();
  std::fstream file(JournalPath());
  file.seekp(static_cast<std::streamoff>(fs::file_size(JournalPath()) / 2));
  file << "damage";
  file.close();
  fs::create_directory(JournalPath() + ".tmp");
  Reopen();
  EXPECT_FALSE(findings_.journal_status.ok());
  const auto position = [this] { return (*ItemJournal::OpenReader(JournalPath()))->position(); };
  const JournalPosition before = position();
  MustAdd("d", 4);
  EXPECT_EQ(position().history, before.history);
  EXPECT_EQ(position().write, before.write + 1);
}

// The journal was put back, so the catalogue is the newer one.
TEST_F(GalleryJournalTest, OlderJournalFollowsTheCatalogueAndForgetsNothingOfIt) {
  FillAndClose();
  fs::copy_file(JournalPath(), dir_.File("journal"));
  Reopen();
  MustAdd("d", 4);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  Close();
  fs::rename(dir_.File("journal"), JournalPath());
  for (int start = 0; start < 2; ++start) {
    Reopen();
    EXPECT_FALSE(findings_.catch_up.any());
    EXPECT_THAT(Ids(), ElementsAre("b", "c", "d"));
    EXPECT_THAT(Recorded(), ElementsAre("b", "c", "d"));
  }
}

class OrphanedBlobsTest : public testing::Test {
 protected:
  std::string Write(const std::string& bytes) const {
    const std::string sha256 = Sha256(bytes);
    EXPECT_THAT(store_.Write({{sha256, bytes}}), IsOk());
    return sha256;
  }
  static absl::Time Day(const std::string& day) {
    absl::Time time;
    std::string error;
    EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M", day, &time, &error)) << error;
    return time;
  }
  static absl::StatusOr<bool> Wanted(const std::string&) { return true; }

  TempDir dir_;
  const BlobStore store_ = *BlobStore::Open(dir_.File("photos"));
  const OrphanedBlobs orphans_{&store_};
};

TEST_F(OrphanedBlobsTest, BlobIsSetAsideUnderItsDayAndBroughtBackWithItsBytes) {
  const std::string sha256 = Write("abc");
  EXPECT_THAT(*orphans_.SetAside({sha256}, Day("2026-01-31 23:59")),
              EndsWith("/.orphans/2026-01-31"));
  EXPECT_FALSE(store_.Read(sha256, 3).ok());
  EXPECT_EQ(*orphans_.BringBack(Wanted), 1);
  EXPECT_EQ(*store_.Read(sha256, 3), "abc");
}

TEST_F(OrphanedBlobsTest, BlobThatNobodyWantsStaysAside) {
  const std::string sha256 = Write("abc");
  ASSERT_THAT(orphans_.SetAside({sha256}, Day("2026-01-31 00:00")), IsOk());
  EXPECT_EQ(*orphans_.BringBack([](const std::string&) { return false; }), 0);
  EXPECT_FALSE(store_.Has(sha256, 3));
}

TEST_F(OrphanedBlobsTest, BlobIsRemovedFromEveryDay) {
  const std::string sha256 = Write("abc");
  ASSERT_THAT(orphans_.SetAside({sha256}, Day("2026-01-31 00:00")), IsOk());
  Write("abc");
  ASSERT_THAT(orphans_.SetAside({sha256}, Day("2026-02-01 00:00")), IsOk());
  ASSERT_THAT(*orphans_.Digests(), ElementsAre(sha256));
  ASSERT_THAT(orphans_.Remove({sha256}), IsOk());
  EXPECT_THAT(*orphans_.Digests(), IsEmpty());
  EXPECT_EQ(*orphans_.Count(), 0);
}

TEST_F(OrphanedBlobsTest, RemovalCreatesNoFolderOfAnotherBlob) {
  const std::string sha256 = Write("abc");
  const auto day = orphans_.SetAside({sha256}, Day("2026-01-31 00:00"));
  const std::string other = Sha256("def");
  ASSERT_THAT(orphans_.Remove({other}), IsOk());
  EXPECT_FALSE(fs::exists(absl::StrCat(*day, "/", other.substr(0, 2))));
  EXPECT_THAT(*orphans_.Digests(), ElementsAre(sha256));
}

TEST_F(OrphanedBlobsTest, BlobsOfAllDaysAreCounted) {
  ASSERT_THAT(orphans_.SetAside({Write("abc")}, Day("1970-01-01 00:00")), IsOk());
  ASSERT_THAT(orphans_.SetAside({Write("def")}, Day("2026-01-31 00:00")), IsOk());
  EXPECT_EQ(*orphans_.Count(), 2);
}

TEST_F(OrphanedBlobsTest, FolderThatIsNoDayIsNotCounted) {
  const std::string mine = dir_.File("photos/.orphans/2026-1-1 mine/ab");
  ASSERT_TRUE(fs::create_directories(mine));
  std::ofstream(absl::StrCat(mine, "/ab", std::string(62, '0'))) << "mine";
  EXPECT_EQ(*orphans_.Count(), 0);
}

TEST_F(OrphanedBlobsTest, ErrorOfTheQuestionEndsTheSearch) {
  ASSERT_THAT(orphans_.SetAside({Write("abc")}, Day("2026-01-31 00:00")), IsOk());
  const auto brought = orphans_.BringBack(
      [](const std::string&) -> absl::StatusOr<bool> { return absl::InternalError("no idea"); });
  EXPECT_EQ(brought.status().message(), "no idea");
}

}  // namespace
}  // namespace s2p::test
