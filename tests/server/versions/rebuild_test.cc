#include "server/versions/rebuild.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "server/gallery/item_journal.h"
#include "server/storage/orphaned_blobs.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class RebuildTest : public GalleryTest {
 protected:
  void SetUp() override { Reopen(); }
  void Close() {
    gallery_.reset();
    slot_.Set(nullptr);
  }
  std::string Database() const { return options_.data_dir + "/gallery.db"; }
  std::string Journal() const { return options_.data_dir + "/photos/items.journal"; }
  // Closes the gallery, loses the catalogue, makes a new one and serves that.
  RebuildReport LoseAndRebuild() {
    Close();
    fs::remove(Database());
    const auto report = RebuildCatalogue(options_.data_dir);
    EXPECT_THAT(report, IsOk());
    Reopen();
    return report.ok() ? *report : RebuildReport();
  }
};

TEST_F(RebuildTest, IdsMetadataAndRankingsComeBack) {
  for (uint32_t i = 0; i < 20; ++i) MustAdd(absl::StrCat("p", i), i);
  ASSERT_THAT(gallery_->UpdateMetadata("p7", {{"colour", "red"}}), IsOk());
  const auto before = *gallery_->Get("p7");
  const std::vector<std::string> found = Search(7);
  const RebuildReport report = LoseAndRebuild();
  EXPECT_EQ(report.from_journal, 20);
  EXPECT_EQ(report.with_new_ids, 0);
  EXPECT_EQ(report.missing, 0);
  EXPECT_THAT(report.problems, IsEmpty());
  EXPECT_THAT(report.kept, IsEmpty());
  const auto after = *gallery_->Get("p7");
  EXPECT_EQ(after->metadata, before->metadata);
  EXPECT_EQ(after->created_at, before->created_at);
  EXPECT_EQ(after->width, before->width);
  EXPECT_EQ(after->content_type, before->content_type);
  EXPECT_EQ(*gallery_->ReadBlob(*after), PhotoBytes(7));
  EXPECT_EQ(Search(7), found);
}

TEST_F(RebuildTest, DeletedPhotosStayDeleted) {
  MustAdd("a", 1);
  MustAdd("b", 2);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  LoseAndRebuild();
  EXPECT_THAT(Ids(), ElementsAre("b"));
}

TEST_F(RebuildTest, DeletedPhotoWhoseFileACrashHasLeftStaysDeleted) {
  MustAdd("a", 1);
  MustAdd("b", 2);
  Close();
  auto journal = *ItemJournal::Open(Journal());
  ASSERT_THAT(journal->Append({}, {"a"}), IsOk());
  journal.reset();
  ASSERT_TRUE(fs::exists(BlobPath(1)));
  EXPECT_EQ(LoseAndRebuild().with_new_ids, 0);
  EXPECT_THAT(Ids(), ElementsAre("b"));
}

TEST_F(RebuildTest, PhotosWithoutARecordGetIdsOfTheirDigests) {
  MustAdd("a", 1);
  MustAdd("b", 2);
  Close();
  fs::remove(Journal());
  const RebuildReport report = LoseAndRebuild();
  EXPECT_EQ(report.from_journal, 0);
  EXPECT_EQ(report.with_new_ids, 2);
  const std::string id = "photo-" + Sha256(PhotoBytes(1)).substr(0, 16);
  const auto item = gallery_->Get(id);
  ASSERT_THAT(item, IsOk());
  EXPECT_EQ((*item)->width, 8);
  EXPECT_EQ((*item)->content_type, "image/png");
  EXPECT_EQ(*gallery_->ReadBlob(**item), PhotoBytes(1));
}

TEST_F(RebuildTest, IdOfADigestThatIsTakenIsTheWholeDigest) {
  const std::string sha256 = Sha256(PhotoBytes(1));
  MustAdd("photo-" + sha256.substr(0, 16), 2);
  Close();
  fs::create_directories(fs::path(BlobPath(1)).parent_path());
  std::ofstream(BlobPath(1), std::ios::binary) << PhotoBytes(1);
  LoseAndRebuild();
  EXPECT_THAT(gallery_->Get("photo-" + sha256), IsOk());
}

TEST_F(RebuildTest, GoodCatalogueIsNotTouched) {
  MustAdd("a", 1);
  Close();
  EXPECT_THAT(RebuildCatalogue(options_.data_dir),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr(Database()), HasSubstr("good catalogue of 1 items"))));
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(RebuildTest, FolderThatIsServedIsRefused) {
  MustAdd("a", 1);
  EXPECT_THAT(RebuildCatalogue(options_.data_dir), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(RebuildTest, FolderWithoutPhotosIsNotFound) {
  EXPECT_THAT(RebuildCatalogue(dir_.File("nothing")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RebuildTest, DamagedCatalogueIsKeptUnderAnotherName) {
  MustAdd("a", 1);
  for (const char* name : {"gallery.db.damaged", "gallery.db.damaged-2"}) {
    Close();
    std::ofstream(Database(), std::ios::trunc) << std::string(8192, 'x');
    const auto report = RebuildCatalogue(options_.data_dir);
    ASSERT_THAT(report, IsOk());
    EXPECT_EQ(report->kept, options_.data_dir + "/" + name);
    EXPECT_EQ(fs::file_size(report->kept), 8192u);
    Reopen();
    EXPECT_THAT(Ids(), ElementsAre("a"));
  }
}

TEST_F(RebuildTest, LogWithoutItsCatalogueIsKept) {
  MustAdd("a", 1);
  Close();
  fs::remove(Database());
  std::ofstream(Database() + "-wal") << "the last writes";
  const auto report = RebuildCatalogue(options_.data_dir);
  ASSERT_THAT(report, IsOk());
  EXPECT_TRUE(fs::exists(report->kept + "-wal"));
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(RebuildTest, DamagedLineIsNamedAndItsPhotoGetsANewId) {
  MustAdd("a", 1);
  MustAdd("b", 2);
  MustAdd("c", 3);
  Close();
  std::fstream file(Journal());
  file.seekp(static_cast<std::streamoff>(fs::file_size(Journal()) / 2));
  file << "damage";
  file.close();
  const RebuildReport report = LoseAndRebuild();
  EXPECT_EQ(report.from_journal, 2);
  EXPECT_EQ(report.with_new_ids, 1);
  EXPECT_THAT(report.problems, ElementsAre(AllOf(HasSubstr(Journal()), HasSubstr("damaged"))));
  EXPECT_THAT(Ids(), ElementsAre("a", "c", "photo-" + Sha256(PhotoBytes(2)).substr(0, 16)));
}

TEST_F(RebuildTest, FileThatIsNoImageIsNamedAndLeftOut) {
  MustAdd("a", 1);
  Close();
  const std::string sha256 = Sha256("no image");
  const std::string folder = absl::StrCat(options_.data_dir, "/photos/", sha256.substr(0, 2));
  fs::create_directories(folder);
  std::ofstream(absl::StrCat(folder, "/", sha256)) << "no image";
  EXPECT_THAT(LoseAndRebuild().problems, ElementsAre(HasSubstr(sha256)));
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(RebuildTest, ItemWithoutItsPhotoIsCountedAndComesBack) {
  MustAdd("a", 1);
  Close();
  fs::remove(BlobPath(1));
  EXPECT_EQ(LoseAndRebuild().missing, 1);
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(RebuildTest, PhotosThatAWrongCatalogueHadSetAsideComeBackWithTheirIds) {
  Close();
  fs::copy_file(Database(), dir_.File("empty"));
  // As that of another gallery; an older one of this gallery would follow the journal.
  ASSERT_THAT((*Catalogue::Open(dir_.File("empty")))->SetJournalPosition({1, 1}), IsOk());
  Reopen();
  MustAdd("a", 1);
  Close();
  fs::remove(Database());
  fs::copy_file(dir_.File("empty"), Database());
  Reopen();
  ASSERT_FALSE(fs::exists(BlobPath(1)));
  EXPECT_EQ(LoseAndRebuild().from_journal, 1);
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("a")), PhotoBytes(1));
}

TEST_F(RebuildTest, LeftoversOfARunThatWasKilledDoNotMatter) {
  MustAdd("a", 1);
  Close();
  std::ofstream(Database() + ".rebuild") << "half written";
  std::ofstream(Database() + ".rebuild-wal") << "half written";
  LoseAndRebuild();
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

// The parameter is the number of answered writes after which the server is killed.
class RebuildAfterKillTest : public GalleryTest, public testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Answers, RebuildAfterKillTest, testing::Values(3, 10, 25, 60));

// Adds, changes and deletes until it is killed; reports each answered write.
int WriteUntilKilled(const GalleryOptions& options, int pipe) {
  SnapshotSlot slot;
  auto gallery = Gallery::Open(options, &slot);
  if (!gallery.ok()) return 1;
  const auto encoder = std::make_shared<FakeEncoder>(1);
  if (!(*gallery)->Activate(encoder).ok()) return 2;
  for (int32_t i = 1;; ++i) {
    const std::string id = absl::StrCat("p", i);
    NewItem item = MakeNewItem(id, static_cast<uint32_t>(i), *encoder);
    item.metadata = {{"number", absl::StrCat(i)}};
    if (!(*gallery)->Add({&item, 1}).front().ok()) return 3;
    if (write(pipe, &i, sizeof(i)) != sizeof(i)) return 4;
    if (i % 3 != 0) continue;
    if (!(*gallery)->Delete({id}).ok()) return 5;
    const int32_t deleted = -i;
    if (write(pipe, &deleted, sizeof(deleted)) != sizeof(deleted)) return 6;
  }
}

TEST_P(RebuildAfterKillTest, AnsweredWritesComeBackWithoutTheCatalogue) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(ends[0]);
    _exit(WriteUntilKilled(options_, ends[1]));
  }
  close(ends[1]);
  std::set<int32_t> there, gone;
  int32_t number = 0, last = 0;
  int count = 0;
  while (read(ends[0], &number, sizeof(number)) == sizeof(number)) {
    last = number;
    (number > 0 ? there : gone).insert(std::abs(number));
    if (++count == GetParam()) kill(child, SIGKILL);
  }
  close(ends[0]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed with " << WEXITSTATUS(status);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    fs::remove(options_.data_dir + "/gallery.db" + suffix);
  }

  const auto report = RebuildCatalogue(options_.data_dir);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->with_new_ids, 0);
  Reopen();
  for (const int32_t i : gone) {
    there.erase(i);
    EXPECT_FALSE(gallery_->Get(absl::StrCat("p", i)).ok()) << i;
  }
  // Its deletion may have been under way.
  if (last > 0 && last % 3 == 0) there.erase(last);
  for (const int32_t i : there) {
    const auto item = gallery_->Get(absl::StrCat("p", i));
    ASSERT_THAT(item, IsOk()) << i;
    EXPECT_EQ((*item)->metadata.at("number"), absl::StrCat(i));
    EXPECT_EQ(*gallery_->ReadBlob(**item), PhotoBytes(static_cast<uint32_t>(i)));
  }
}

}  // namespace
}  // namespace s2p::test
