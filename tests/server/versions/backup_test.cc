#include "server/versions/backup.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "server/gallery/item_journal.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BackupTest : public GalleryTest {
 protected:
  void SetUp() override { Reopen(); }
  // Closes the gallery and serves the folder `path` instead.
  void Serve(const std::string& path) {
    gallery_.reset();
    options_.data_dir = path;
    Reopen();
  }
  void Damage(const std::string& path) { std::ofstream(path) << "other bytes"; }
  // Paths of the photos in a data folder or backup.
  static std::vector<std::string> PhotosIn(const std::string& folder) {
    std::vector<std::string> photos;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder + "/photos")) {
      const bool journal = entry.path().filename() == "items.journal";
      if (entry.is_regular_file() && !journal) photos.push_back(entry.path().string());
    }
    return photos;
  }
  void MustBackUp(const std::string& out, const std::string& base = "") {
    ASSERT_THAT(BackUp(options_.data_dir, out, base), IsOk());
  }

  const std::string backup_ = dir_.File("backup");
  const std::string restored_ = dir_.File("restored");
};

TEST_F(BackupTest, RestoredGalleryAnswersTheSame) {
  for (int i = 0; i < 20; ++i) MustAdd(absl::StrCat("p", i), static_cast<uint32_t>(i));
  ASSERT_THAT(gallery_->Delete({"p3"}), IsOk());
  const std::vector<std::string> before = Search(7, 19);
  const auto backup = BackUp(options_.data_dir, backup_);
  ASSERT_THAT(backup, IsOk());
  EXPECT_EQ(backup->items, 19);
  const auto restored = RestoreBackup(backup_, restored_);
  ASSERT_THAT(restored, IsOk());
  EXPECT_EQ(restored->bytes, backup->bytes);
  Serve(restored_);
  EXPECT_EQ(Search(7, 19), before);
}

TEST_F(BackupTest, WhatWasAnsweredBeforeIsInItThoughWritesGoOn) {
  for (int i = 0; i < 60; ++i) MustAdd(absl::StrCat("kept", i), static_cast<uint32_t>(i));
  std::atomic<bool> ended = false;
  std::atomic<uint32_t> writes = 0;
  std::thread writer([&] {
    while (!ended) {
      const uint32_t n = ++writes;
      const std::string id = absl::StrCat("changing", n % 10);
      Add(Item(id, 1000 + n, OnConflict::kReplace)).IgnoreError();
      if (n % 7 == 0) gallery_->Delete({id}).IgnoreError();
    }
  });
  while (writes < 10) std::this_thread::yield();
  const auto backup = BackUp(options_.data_dir, backup_);
  ended = true;
  writer.join();
  ASSERT_THAT(backup, IsOk());
  const auto check = CheckDataFolder(backup_);
  ASSERT_THAT(check, IsOk());
  EXPECT_THAT(check->problems, IsEmpty());
  EXPECT_EQ(check->items, backup->items);
  Serve(backup_);
  const std::vector<std::string> ids = Ids("kept");
  EXPECT_EQ(std::count_if(ids.begin(), ids.end(),
                          [](const std::string& id) { return id.rfind("kept", 0) == 0; }),
            60);
}

TEST_F(BackupTest, PhotosThatNobodyNamesAreNotInIt) {
  MustAdd("a", 1);
  ASSERT_THAT(BackUp(options_.data_dir, backup_), IsOk());
  EXPECT_EQ(PhotosIn(backup_).size(), 1u);
}

TEST_F(BackupTest, FolderThatIsThereIsNotOverwritten) {
  std::filesystem::create_directory(backup_);
  std::ofstream(backup_ + "/mine") << "keep me";
  const auto backup = BackUp(options_.data_dir, backup_);
  EXPECT_THAT(backup, StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(backup_)));
  EXPECT_TRUE(std::filesystem::exists(backup_ + "/mine"));
}

TEST_F(BackupTest, DamagedPhotoIsNamedAndNothingIsLeft) {
  MustAdd("a", 1);
  Damage(BlobPath(1));
  const auto backup = BackUp(options_.data_dir, backup_);
  EXPECT_THAT(backup, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(Sha256(PhotoBytes(1)))));
  EXPECT_FALSE(std::filesystem::exists(backup_));
  EXPECT_FALSE(std::filesystem::exists(backup_ + ".unfinished"));
}

TEST_F(BackupTest, MissingPhotoIsNamedAndNothingIsLeft) {
  MustAdd("a", 1);
  std::filesystem::remove(BlobPath(1));
  const auto backup = BackUp(options_.data_dir, backup_);
  EXPECT_THAT(backup, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(BlobPath(1))));
  EXPECT_FALSE(std::filesystem::exists(backup_));
}

TEST_F(BackupTest, BackupThatLacksAPhotoIsNotRestored) {
  MustAdd("a", 1);
  ASSERT_THAT(BackUp(options_.data_dir, backup_), IsOk());
  std::filesystem::remove_all(backup_ + "/photos");
  const auto restored = RestoreBackup(backup_, restored_);
  EXPECT_THAT(restored, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_FALSE(std::filesystem::exists(restored_));
}

TEST_F(BackupTest, GalleryIsNotRestoredOver) {
  MustAdd("a", 1);
  ASSERT_THAT(BackUp(options_.data_dir, backup_), IsOk());
  EXPECT_THAT(RestoreBackup(backup_, options_.data_dir),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(BackupTest, FolderWithoutAGalleryIsNotFound) {
  const std::string nothing = dir_.File("nothing");
  EXPECT_THAT(BackUp(nothing, backup_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(RestoreBackup(nothing, restored_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(CheckDataFolder(nothing), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BackupTest, CheckNamesEachDamagedAndMissingPhoto) {
  for (uint32_t i = 1; i <= 3; ++i) MustAdd(absl::StrCat("p", i), i);
  Damage(BlobPath(1));
  std::filesystem::remove(BlobPath(2));
  gallery_.reset();
  const auto report = CheckDataFolder(options_.data_dir);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->items, 3);
  EXPECT_THAT(report->problems, ElementsAre(HasSubstr("photo 'p1': "), HasSubstr("photo 'p2': ")));
}

TEST_F(BackupTest, CheckOfAnEmptyCatalogueIsNotFoundAndCreatesNone) {
  MustAdd("a", 1);
  gallery_.reset();
  std::filesystem::resize_file(options_.data_dir + "/gallery.db", 0);
  EXPECT_THAT(CheckDataFolder(options_.data_dir), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(std::filesystem::file_size(options_.data_dir + "/gallery.db"), 0u);
}

TEST_F(BackupTest, OrphansThatAreSetAsideAreNotInIt) {
  MustAdd("a", 1);
  gallery_.reset();
  std::filesystem::create_directories(std::filesystem::path(BlobPath(2)).parent_path());
  std::ofstream(BlobPath(2)) << PhotoBytes(2);
  Reopen();
  ASSERT_THAT(BackUp(options_.data_dir, backup_), IsOk());
  EXPECT_FALSE(std::filesystem::exists(backup_ + "/photos/.orphans"));
}

TEST_F(BackupTest, RestoredBackupTakesThePlaceOfALostCatalogue) {
  MustAdd("a", 1);
  ASSERT_THAT(BackUp(options_.data_dir, backup_), IsOk());
  gallery_.reset();
  std::filesystem::remove(options_.data_dir + "/gallery.db");
  ASSERT_THAT(Gallery::Open(options_, &slot_), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(RestoreBackup(backup_, restored_), IsOk());
  Serve(restored_);
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(BackupTest, JournalOfABackupHasItsItems) {
  MustAdd("a", 1);
  MustAdd("b", 2);
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  MustBackUp(backup_);
  const auto journal = ItemJournal::OpenReader(backup_ + "/photos/items.journal");
  ASSERT_THAT(journal, IsOk());
  EXPECT_EQ((*journal)->size(), 1u);
  EXPECT_TRUE((*journal)->Has(**gallery_->Get("b")));
}

TEST_F(BackupTest, LogOfTheCatalogueIsEmptyAfterABackup) {
  MustAdd("a", 1);
  ASSERT_GT(std::filesystem::file_size(options_.data_dir + "/gallery.db-wal"), 0u);
  MustBackUp(backup_);
  EXPECT_EQ(std::filesystem::file_size(options_.data_dir + "/gallery.db-wal"), 0u);
}

class IncrementalBackupTest : public BackupTest {
 protected:
  static int64_t Links(const std::string& path) {
    return static_cast<int64_t>(std::filesystem::hard_link_count(path));
  }
  static std::string InFolder(const std::string& folder, uint32_t seed) {
    const std::string sha256 = Sha256(PhotoBytes(seed));
    return absl::StrCat(folder, "/photos/", sha256.substr(0, 2), "/", sha256);
  }
  const std::string next_ = dir_.File("next");
};

TEST_F(IncrementalBackupTest, PhotosOfTheBaseShareItsFilesAndNewOnesAreCopied) {
  MustAdd("a", 1);
  MustAdd("b", 2);
  MustBackUp(backup_);
  MustAdd("c", 3);
  ASSERT_THAT(gallery_->Delete({"b"}), IsOk());
  const auto report = BackUp(options_.data_dir, next_, backup_);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->items, 2);
  EXPECT_EQ(report->linked, 1);
  EXPECT_EQ(Links(InFolder(next_, 1)), 2);
  EXPECT_EQ(Links(InFolder(next_, 3)), 1);
  EXPECT_EQ(Links(BlobPath(1)), 1);
  EXPECT_EQ(PhotosIn(next_).size(), 2u);
}

TEST_F(IncrementalBackupTest, IsRestoredWithoutItsBase) {
  MustAdd("a", 1);
  MustBackUp(backup_);
  MustAdd("b", 2);
  MustBackUp(next_, backup_);
  std::filesystem::remove_all(backup_);
  ASSERT_THAT(RestoreBackup(next_, restored_), IsOk());
  EXPECT_EQ(Links(InFolder(restored_, 1)), 1);
  Serve(restored_);
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("a")), PhotoBytes(1));
}

TEST_F(IncrementalBackupTest, FileOfAnotherSizeInTheBaseIsNotUsed) {
  MustAdd("a", 1);
  MustBackUp(backup_);
  Damage(InFolder(backup_, 1));
  const auto report = BackUp(options_.data_dir, next_, backup_);
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->linked, 0);
  gallery_.reset();
  EXPECT_THAT(CheckDataFolder(next_)->problems, IsEmpty());
}

TEST_F(IncrementalBackupTest, PhotoThatTheGalleryHasLostComesFromTheBase) {
  MustAdd("a", 1);
  MustBackUp(backup_);
  std::filesystem::remove(BlobPath(1));
  MustBackUp(next_, backup_);
  EXPECT_TRUE(std::filesystem::exists(InFolder(next_, 1)));
}

TEST_F(IncrementalBackupTest, BaseThatIsNoBackupIsNotFound) {
  MustAdd("a", 1);
  EXPECT_THAT(BackUp(options_.data_dir, next_, dir_.File("nothing")),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("nothing")));
  EXPECT_FALSE(std::filesystem::exists(next_));
}

TEST_F(IncrementalBackupTest, DataFolderIsNoBase) {
  MustAdd("a", 1);
  EXPECT_THAT(BackUp(options_.data_dir, next_, options_.data_dir + "/"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is the data folder")));
}

TEST_F(IncrementalBackupTest, KilledBackupIsWholeOrNotThereAndCanBeRepeated) {
  for (uint32_t i = 0; i < 100; ++i) MustAdd(absl::StrCat("p", i), i);
  MustBackUp(backup_);
  for (uint32_t i = 100; i < 200; ++i) MustAdd(absl::StrCat("p", i), i);
  gallery_.reset();
  for (int kills = 0; kills < 5; ++kills) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // Until it is killed.
      while (BackUp(options_.data_dir, next_, backup_).ok()) std::filesystem::remove_all(next_);
      _exit(1);
    }
    while (!std::filesystem::exists(next_ + ".unfinished/photos")) std::this_thread::yield();
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    if (!std::filesystem::exists(next_)) MustBackUp(next_, backup_);
    EXPECT_THAT(CheckDataFolder(next_)->problems, IsEmpty());
    EXPECT_EQ(PhotosIn(next_).size(), 200u);
    EXPECT_THAT(CheckDataFolder(backup_)->problems, IsEmpty());
    std::filesystem::remove_all(next_);
  }
}

TEST_F(BackupTest, FolderThatIsServedIsNotChecked) {
  const auto report = CheckDataFolder(options_.data_dir);
  EXPECT_THAT(report, StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace s2p::test
