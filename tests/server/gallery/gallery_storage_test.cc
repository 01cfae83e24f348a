// Full, read-only and failing disks.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/server/gallery_fixture.h"
#include "tests/testing/no_descriptors.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class GalleryStorageTest : public GalleryTest {
 protected:
  GalleryStorageTest() { options_.faults = &faults_; }
  ~GalleryStorageTest() override { gallery_.reset(); }

  std::vector<FaultKind> Broken() const {
    std::vector<FaultKind> kinds;
    for (const Fault& fault : faults_.Current()) kinds.push_back(fault.kind);
    return kinds;
  }

  Faults faults_;
};

class LowDiskTest : public GalleryStorageTest {
 protected:
  LowDiskTest() {
    options_.min_free = {1000, 1};
    options_.measure_disk = [this] { return disk_; };
  }
  DiskSpace disk_ = {1'000'000, 2'000'000};
};

TEST_F(LowDiskTest, PhotoIsRefusedWithTheFreeSpaceAndTheFlag) {
  Reopen();
  disk_.free_bytes = 900;
  EXPECT_THAT(Add(Item("a", 1)),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("has 0.0 MiB free"), HasSubstr("--min-free"))));
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_FALSE(fs::exists(BlobPath(1)));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
}

TEST_F(LowDiskTest, PhotoIsRefusedBeforeItIsEmbedded) {
  Reopen();
  disk_.free_bytes = 900;
  EXPECT_THAT(gallery_->Check(Item("a", 1)), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(LowDiskTest, PhotoThatWouldTakeTheReserveIsRefused) {
  Reopen();
  disk_.free_bytes = 1000 + PhotoBytes(1).size() - 1;
  EXPECT_THAT(Add(Item("a", 1)), StatusIs(absl::StatusCode::kResourceExhausted));
  ++disk_.free_bytes;
  EXPECT_THAT(Add(Item("a", 1)), IsOk());
}

TEST_F(LowDiskTest, RestartWithoutRoomServesThoughEmbeddingsAreMissing) {
  Reopen();
  MustAdd("a", 1);
  MustAdd("b", 2);
  disk_.free_bytes = 900;
  Reopen(2);
  EXPECT_EQ(slot_.Get()->version, 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 2);
  EXPECT_EQ(*gallery_->CountWithoutEmbedding(2), 0);
}

TEST_F(LowDiskTest, PhotoThatIsThereAlreadyIsNotRefused) {
  Reopen();
  MustAdd("a", 1);
  disk_.free_bytes = 0;
  EXPECT_EQ(*Add(Item("a", 1)), AddResult::kUnchanged);
}

TEST_F(LowDiskTest, MetadataAreRefusedAndStay) {
  Reopen();
  MustAdd("a", 1);
  disk_.free_bytes = 900;
  EXPECT_THAT(gallery_->UpdateMetadata("a", {{"x", "y"}}),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--min-free")));
  EXPECT_THAT((*gallery_->Get("a"))->metadata, IsEmpty());
}

TEST_F(LowDiskTest, DeletionsAndPinsSucceedAndPhotosDoAgainOnceThereIsRoom) {
  Reopen();
  MustAdd("a", 1);
  MustAdd("b", 2);
  disk_.free_bytes = 900;
  ASSERT_FALSE(Add(Item("c", 3)).ok());
  EXPECT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_THAT(gallery_->SetPinnedVersion(1), IsOk());
  EXPECT_THAT(Ids(), ElementsAre("b"));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  disk_.free_bytes = 1'000'000;
  MustAdd("c", 3);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(LowDiskTest, DiskThatCannotBeMeasuredTakesPhotos) {
  options_.measure_disk = []() -> absl::StatusOr<DiskSpace> {
    return absl::NotFoundError("no disk");
  };
  Reopen();
  MustAdd("a", 1);
}

// A small file system of its own.
class SmallDiskTest : public GalleryStorageTest {
 protected:
  void SetUp() override {
    fs::create_directory(mount_);
    if (mount("tmpfs", mount_.c_str(), "tmpfs", 0, "size=8m") != 0) {
      GTEST_SKIP() << "mounting a file system is not permitted";
    }
    mounted_ = true;
    options_.data_dir = mount_ + "/data";
    options_.min_free = {uint64_t{2} << 20, 1};
  }
  void TearDown() override {
    gallery_.reset();
    slot_.Set(nullptr);
    if (mounted_) umount2(mount_.c_str(), MNT_DETACH);
  }
  // Fills the disk until `free_bytes` are left.
  void Fill(uint64_t free_bytes) const {
    std::ofstream file(mount_ + "/filler", std::ios::binary | std::ios::app);
    const std::string block(4096, 'x');
    while (fs::space(mount_).available > free_bytes && file.write(block.data(), 4096).flush()) {
    }
  }

  const std::string mount_ = dir_.File("disk");
  bool mounted_ = false;
};

TEST_F(SmallDiskTest, DeletionsMakeRoomThatPhotosThenUse) {
  Reopen();
  std::vector<std::string> ids;
  absl::Status status;
  for (uint32_t i = 0; status.ok(); ++i) {
    ASSERT_LT(i, 10000u);
    ids.push_back(absl::StrCat("p", i));
    status = Add(Item(ids.back(), i)).status();
    // Photos are small, so something else takes most of the room.
    if (i == 20) Fill(uint64_t{3} << 19);
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--min-free")));
  EXPECT_THAT(gallery_->UpdateMetadata("p0", {{"x", "y"}}),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ids.pop_back();
  EXPECT_THAT(gallery_->Delete(ids), IsOk());
  EXPECT_THAT(Ids(), IsEmpty());
  fs::remove(mount_ + "/filler");
  MustAdd("again", 1);
}

TEST_F(SmallDiskTest, FullDiskIsResourceExhaustedWithoutAPathAndReadsContinue) {
  options_.min_free = {0, 0};
  Reopen();
  MustAdd("a", 1);
  Fill(0);
  absl::Status status;
  for (uint32_t i = 2; status.ok() && i < 3000; ++i) {
    status = Add(Item(absl::StrCat("p", i), i)).status();
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr("disk is full"), Not(HasSubstr(mount_)))));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  EXPECT_THAT(Search(1, 1), ElementsAre("a"));
}

TEST_F(SmallDiskTest, ReadOnlyDiskIsInternalWithoutAPathUntilItCanBeWritten) {
  Reopen();
  MustAdd("a", 1);
  // The catalogue is open for writing, so only the folder of photos can become read-only.
  const std::string photos = options_.data_dir + "/photos";
  ASSERT_EQ(mount(photos.c_str(), photos.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, photos.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  EXPECT_THAT(Add(Item("b", 2)),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("refuses writes"), Not(HasSubstr(mount_)))));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDataReadOnly));
  EXPECT_THAT(Search(1, 1), ElementsAre("a"));
  ASSERT_EQ(umount(photos.c_str()), 0);
  MustAdd("b", 2);
  EXPECT_THAT(Broken(), IsEmpty());
}

// Puts another file behind the descriptors that this process has for a file, until it is destroyed.
// Without `other` that is the file itself, for reading: writes fail with EBADF, which SQLite
// reports as an I/O error.
class FailingFile {
 public:
  explicit FailingFile(const std::string& path, const std::string& other = "") {
    for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      const fs::path target = fs::read_symlink(entry.path(), ignored);
      if (target != path) continue;
      const int descriptor = std::stoi(entry.path().filename().string());
      saved_.emplace_back(descriptor, dup(descriptor));
    }
    const int failing = open((other.empty() ? path : other).c_str(), O_RDONLY);
    for (const auto& [descriptor, copy] : saved_) dup2(failing, descriptor);
    close(failing);
  }
  ~FailingFile() {
    for (const auto& [descriptor, copy] : saved_) {
      dup2(copy, descriptor);
      close(copy);
    }
  }
  size_t found() const { return saved_.size(); }

 private:
  std::vector<std::pair<int, int>> saved_;
};

TEST_F(GalleryStorageTest, InputOutputErrorOfTheCatalogueIsInternalAndChangesNothing) {
  Reopen();
  MustAdd("a", 1);
  absl::Status added, deleted;
  {
    const FailingFile log(options_.data_dir + "/gallery.db-wal");
    ASSERT_GT(log.found(), 0u);
    added = Add(Item("b", 2)).status();
    deleted = gallery_->Delete({"a"}).status();
  }
  for (const absl::Status& status : {added, deleted}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal,
                                 AllOf(HasSubstr("could not read or write the gallery"),
                                       Not(HasSubstr(options_.data_dir)))));
  }
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kCatalogueFailed));
  EXPECT_EQ(faults_.Current()[0].count, 2u);
  EXPECT_THAT(Ids(), ElementsAre("a"));
  MustAdd("b", 2);
  EXPECT_THAT(Broken(), IsEmpty());
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

TEST_F(GalleryStorageTest, CatalogueThatTheDiskCannotReadIsInternalAndNotDamaged) {
  Reopen();
  MustAdd("a", 1);
  {
    // Memory that is not there cannot be read: EIO.
    const FailingFile catalogue(options_.data_dir + "/gallery.db", "/proc/self/mem");
    const FailingFile log(options_.data_dir + "/gallery.db-wal", "/proc/self/mem");
    EXPECT_THAT(gallery_->Get("a"), StatusIs(absl::StatusCode::kInternal,
                                             HasSubstr("could not read or write the gallery")));
  }
  EXPECT_THAT(gallery_->Get("a"), IsOk());
}

TEST_F(GalleryStorageTest, InputOutputErrorOfTheJournalIsInternalAndChangesNothing) {
  Reopen();
  MustAdd("a", 1);
  {
    const FailingFile journal(options_.data_dir + "/photos/items.journal");
    ASSERT_EQ(journal.found(), 1u);
    EXPECT_THAT(Add(Item("b", 2)), StatusIs(absl::StatusCode::kInternal));
    EXPECT_THAT(gallery_->Delete({"a"}), StatusIs(absl::StatusCode::kInternal));
  }
  EXPECT_THAT(Ids(), ElementsAre("a"));
  MustAdd("b", 2);
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("a", "b"));
}

TEST_F(GalleryStorageTest, CatalogueThatWasMovedAwayRefusesWritesUntilItIsBack) {
  const std::string catalogue = options_.data_dir + "/gallery.db";
  for (const char* suffix : {"", "-wal"}) {
    SCOPED_TRACE(suffix);
    Reopen();
    const std::string file = catalogue + suffix;
    MustAdd("a", 1);
    fs::rename(file, file + ".away");
    EXPECT_THAT(Add(Item("b", 2)), StatusIs(absl::StatusCode::kInternal));
    EXPECT_THAT(gallery_->Delete({"a"}), StatusIs(absl::StatusCode::kInternal));
    EXPECT_THAT(Broken(), ElementsAre(FaultKind::kCatalogueFailed));
    EXPECT_THAT(Search(1, 1), ElementsAre("a"));
    fs::rename(file + ".away", file);
    MustAdd("b", 2);
    EXPECT_THAT(Broken(), IsEmpty());
    Reopen();
    EXPECT_THAT(Ids(), ElementsAre("a", "b"));
    EXPECT_THAT(gallery_->Delete({"a", "b"}), IsOk());
  }
}

TEST_F(GalleryStorageTest, WritesAreRefusedWhileAnotherFileHasTheNameOfTheCatalogue) {
  const std::string catalogue = options_.data_dir + "/gallery.db";
  Reopen();
  MustAdd("a", 1);
  fs::rename(catalogue, catalogue + ".away");
  std::ofstream(catalogue) << "another";
  EXPECT_THAT(Add(Item("b", 2)), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(GalleryStorageTest, MissingPhotoIsDataLossAndAFaultUntilItIsThereAgain) {
  Reopen();
  MustAdd("a", 1);
  fs::remove(BlobPath(1));
  EXPECT_THAT(gallery_->ReadBlob(**gallery_->Get("a")),
              StatusIs(absl::StatusCode::kDataLoss, "photo_id 'a': its file is missing"));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kPhotoMissing));
  EXPECT_EQ(*Add(Item("a", 1)), AddResult::kReplaced);
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(GalleryStorageTest, DamagedPhotoIsDataLossAndAFaultUntilItIsDeleted) {
  Reopen();
  MustAdd("a", 1);
  std::ofstream(BlobPath(1), std::ios::in | std::ios::out) << "X";
  EXPECT_THAT(gallery_->ReadBlob(**gallery_->Get("a")),
              StatusIs(absl::StatusCode::kDataLoss, "photo_id 'a': its file is damaged"));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kPhotoDamaged));
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(GalleryStorageTest, PhotoThatCannotBeOpenedForLackOfDescriptorsIsUnavailableAndNoFault) {
  Reopen();
  MustAdd("a", 1);
  const auto item = gallery_->Get("a");
  {
    const NoDescriptors none;
    EXPECT_THAT(gallery_->ReadBlob(**item),
                StatusIs(absl::StatusCode::kUnavailable,
                         "photo_id 'a': its file cannot be opened at the moment; try again"));
    EXPECT_THAT(gallery_->OpenBlob(**item).status(), StatusIs(absl::StatusCode::kUnavailable));
  }
  EXPECT_THAT(Broken(), IsEmpty());
  EXPECT_EQ(*gallery_->ReadBlob(**item), PhotoBytes(1));
}

TEST_F(GalleryStorageTest, DamagedPhotoIsRepairedByTheSamePhotoAddedAgain) {
  Reopen();
  MustAdd("a", 1);
  std::ofstream(BlobPath(1), std::ios::in | std::ios::out) << "X";
  ASSERT_FALSE(gallery_->ReadBlob(**gallery_->Get("a")).ok());
  EXPECT_EQ(*gallery_->Check(Item("a", 1)), AddResult::kReplaced);
  EXPECT_EQ(*Add(Item("a", 1)), AddResult::kReplaced);
  EXPECT_THAT(Broken(), IsEmpty());
  EXPECT_EQ(*gallery_->ReadBlob(**gallery_->Get("a")), PhotoBytes(1));
}

TEST_F(GalleryStorageTest, PhotosThatANewVersionLeavesOutAreFaults) {
  Reopen(1);
  MustAdd("a", 1);
  MustAdd("b", 2);
  fs::remove(BlobPath(1));
  std::ofstream(BlobPath(2), std::ios::in | std::ios::out) << "X";
  ASSERT_THAT(gallery_->Activate(std::make_shared<FakeEncoder>(2)), IsOk());
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kPhotoMissing, FaultKind::kPhotoDamaged));
}

TEST_F(GalleryStorageTest, PhotoOfAFailedWriteStaysUntilTheNextWriteSucceeds) {
  Reopen();
  MustAdd("a", 1);
  {
    const FailingFile log(options_.data_dir + "/gallery.db-wal");
    ASSERT_FALSE(Add(Item("b", 2)).ok());
  }
  EXPECT_TRUE(fs::exists(BlobPath(2)));
  MustAdd("c", 3);
  EXPECT_FALSE(fs::exists(BlobPath(2)));
}

TEST_F(GalleryStorageTest, PhotoOfAFailedWriteIsRemovedByALaterWriteIfTheNextCannot) {
  Reopen();
  MustAdd("a", 1);
  {
    const FailingFile log(options_.data_dir + "/gallery.db-wal");
    ASSERT_FALSE(Add(Item("b", 2)).ok());
  }
  // A folder in its place cannot be removed as a file.
  fs::remove(BlobPath(2));
  fs::create_directory(BlobPath(2));
  MustAdd("c", 3);
  fs::remove(BlobPath(2));
  std::ofstream(BlobPath(2)) << PhotoBytes(2);
  MustAdd("d", 4);
  EXPECT_FALSE(fs::exists(BlobPath(2)));
  EXPECT_THAT(Broken(), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
