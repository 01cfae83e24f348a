#include "server/versions/backup.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/server/gallery_fixture.h"

namespace s2p::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

  const std::string backup_ = dir_.File("backup");
  const std::string restored_ = dir_.File("restored");
};

TEST_F(BackupTest, RestoredGalleryAnswersTheSame) {
  for (int i = 0; i < 20; ++i) MustAdd(absl::StrCat("p", i), static_cast<uint32_t>(i));
  ASSERT_TRUE(gallery_->Delete({"p3"}).ok());
  const std::vector<std::string> before = Search(7, 19);
  const auto backup = BackUp(options_.data_dir, backup_);
  ASSERT_TRUE(backup.ok()) << backup.status();
  EXPECT_EQ(backup->items, 19);
  const auto restored = RestoreBackup(backup_, restored_);
  ASSERT_TRUE(restored.ok()) << restored.status();
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
  ASSERT_TRUE(backup.ok()) << backup.status();
  const auto check = CheckDataFolder(backup_);
  ASSERT_TRUE(check.ok()) << check.status();
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
  ASSERT_TRUE(BackUp(options_.data_dir, backup_).ok());
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(backup_ + "/photos")) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 1);
}

TEST_F(BackupTest, FolderThatIsThereIsNotOverwritten) {
  std::filesystem::create_directory(backup_);
  std::ofstream(backup_ + "/mine") << "keep me";
  const auto backup = BackUp(options_.data_dir, backup_);
  EXPECT_EQ(backup.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(backup.status().message()), HasSubstr(backup_));
  EXPECT_TRUE(std::filesystem::exists(backup_ + "/mine"));
}

TEST_F(BackupTest, DamagedPhotoIsNamedAndNothingIsLeft) {
  MustAdd("a", 1);
  Damage(BlobPath(1));
  const auto backup = BackUp(options_.data_dir, backup_);
  EXPECT_EQ(backup.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(backup.status().message()), HasSubstr(Sha256(PhotoBytes(1))));
  EXPECT_FALSE(std::filesystem::exists(backup_));
  EXPECT_FALSE(std::filesystem::exists(backup_ + ".unfinished"));
}

TEST_F(BackupTest, MissingPhotoIsNamedAndNothingIsLeft) {
  MustAdd("a", 1);
  std::filesystem::remove(BlobPath(1));
  const auto backup = BackUp(options_.data_dir, backup_);
  EXPECT_EQ(backup.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(backup.status().message()), HasSubstr(BlobPath(1)));
  EXPECT_FALSE(std::filesystem::exists(backup_));
}

TEST_F(BackupTest, BackupThatLacksAPhotoIsNotRestored) {
  MustAdd("a", 1);
  ASSERT_TRUE(BackUp(options_.data_dir, backup_).ok());
  std::filesystem::remove_all(backup_ + "/photos");
  const auto restored = RestoreBackup(backup_, restored_);
  EXPECT_EQ(restored.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(restored_));
}

TEST_F(BackupTest, GalleryIsNotRestoredOver) {
  MustAdd("a", 1);
  ASSERT_TRUE(BackUp(options_.data_dir, backup_).ok());
  EXPECT_EQ(RestoreBackup(backup_, options_.data_dir).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(BackupTest, FolderWithoutAGalleryIsNotFound) {
  const std::string nothing = dir_.File("nothing");
  EXPECT_EQ(BackUp(nothing, backup_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RestoreBackup(nothing, restored_).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CheckDataFolder(nothing).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BackupTest, CheckNamesEachDamagedAndMissingPhoto) {
  for (uint32_t i = 1; i <= 3; ++i) MustAdd(absl::StrCat("p", i), i);
  Damage(BlobPath(1));
  std::filesystem::remove(BlobPath(2));
  gallery_.reset();
  const auto report = CheckDataFolder(options_.data_dir);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->items, 3);
  EXPECT_THAT(report->problems, ElementsAre(HasSubstr("photo 'p1': "), HasSubstr("photo 'p2': ")));
}

TEST_F(BackupTest, CheckOfAnEmptyCatalogueIsNotFoundAndCreatesNone) {
  MustAdd("a", 1);
  gallery_.reset();
  std::filesystem::resize_file(options_.data_dir + "/gallery.db", 0);
  EXPECT_EQ(CheckDataFolder(options_.data_dir).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::filesystem::file_size(options_.data_dir + "/gallery.db"), 0u);
}

TEST_F(BackupTest, OrphansThatAreSetAsideAreNotInIt) {
  MustAdd("a", 1);
  gallery_.reset();
  std::filesystem::create_directories(std::filesystem::path(BlobPath(2)).parent_path());
  std::ofstream(BlobPath(2)) << PhotoBytes(2);
  Reopen();
  ASSERT_TRUE(BackUp(options_.data_dir, backup_).ok());
  EXPECT_FALSE(std::filesystem::exists(backup_ + "/photos/.orphans"));
}

TEST_F(BackupTest, RestoredBackupTakesThePlaceOfALostCatalogue) {
  MustAdd("a", 1);
  ASSERT_TRUE(BackUp(options_.data_dir, backup_).ok());
  gallery_.reset();
  std::filesystem::remove(options_.data_dir + "/gallery.db");
  ASSERT_EQ(Gallery::Open(options_, &slot_).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(RestoreBackup(backup_, restored_).ok());
  Serve(restored_);
  EXPECT_THAT(Ids(), ElementsAre("a"));
}

TEST_F(BackupTest, FolderThatIsServedIsNotChecked) {
  const auto report = CheckDataFolder(options_.data_dir);
  EXPECT_EQ(report.status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace s2p::testing
