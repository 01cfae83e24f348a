// Versions whose files come into the store, or change there, while the loader looks.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>

#include "model/file.h"
#include "tests/server/versions/swap_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SnapshotFilesTest : public SwapTest {
 protected:
  SnapshotFilesTest() : source_(dir_.File("source")) {
    options_.poll_interval = absl::Milliseconds(1);
    // A slow test must not count as an interrupted copy.
    options_.patient_looks = std::numeric_limits<int>::max();
    options_.on_incomplete = [this](int64_t version, const absl::Status&) {
      absl::MutexLock lock(&mutex_);
      incomplete_.insert(version);
    };
    Restart();
  }
  ~SnapshotFilesTest() override { loader_.reset(); }

  // The bytes of a file of a valid version.
  std::string SourceBytes(int64_t version, const std::string& name) {
    while (!fs::exists(source_.DirectoryOf(version))) PublishTinyCheckpoint(source_);
    return *ReadWholeFile(source_.DirectoryOf(version) + "/" + name, 1 << 20);
  }
  std::string PathOf(int64_t version, const std::string& name) const {
    return store_.DirectoryOf(version) + "/" + name;
  }
  // Writes in place, as cp does.
  void Write(int64_t version, const std::string& name, const std::string& bytes) const {
    fs::create_directories(store_.DirectoryOf(version));
    std::ofstream(PathOf(version, name), std::ios::binary) << bytes;
  }
  void Copy(int64_t version, const std::string& name) {
    Write(version, name, SourceBytes(version, name));
  }
  void CopyHalf(int64_t version, const std::string& name) {
    const std::string bytes = SourceBytes(version, name);
    Write(version, name, bytes.substr(0, bytes.size() / 2));
  }
  void WaitUntilIncomplete(int64_t version) {
    absl::MutexLock lock(&mutex_);
    const auto found = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return incomplete_.count(version) > 0;
    };
    mutex_.Await(absl::Condition(&found));
  }
  bool HasFailed(int64_t version) const {
    for (const VersionStatus& status : HistoryOf(version)) {
      if (status.state == VersionState::kFailed) return true;
    }
    return false;
  }

  const CheckpointStore source_;
  std::set<int64_t> incomplete_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(SnapshotFilesTest, FolderThatIsCopiedInPlaceServesWhenItIsWholeAndNeverFails) {
  Copy(1, kManifestFileName);
  loader_->Start();
  WaitUntilIncomplete(1);
  EXPECT_EQ(StatusOf(1).state, VersionState::kPublished);
  EXPECT_THAT(std::string(StatusOf(1).failure.message()), HasSubstr("not whole yet"));
  CopyHalf(1, kWeightsFileName);
  Copy(1, kWeightsFileName);
  WaitFor(1, VersionState::kServing);
  EXPECT_FALSE(HasFailed(1));
  EXPECT_THAT(StatusOf(1).failure, IsOk());
}

TEST_F(SnapshotFilesTest, EmptyFolderIsNotWholeYet) {
  fs::create_directories(store_.DirectoryOf(1));
  loader_->Start();
  WaitUntilIncomplete(1);
  Copy(1, kWeightsFileName);
  Copy(1, kManifestFileName);
  WaitFor(1, VersionState::kServing);
  EXPECT_FALSE(HasFailed(1));
}

TEST_F(SnapshotFilesTest, OlderVersionServesWhileTheNewestIsCopied) {
  Copy(1, kManifestFileName);
  Copy(1, kWeightsFileName);
  Copy(2, kManifestFileName);
  loader_->Start();
  WaitFor(1, VersionState::kServing);
  Copy(2, kWeightsFileName);
  WaitFor(2, VersionState::kServing);
  EXPECT_FALSE(HasFailed(2));
}

// Version 3 is copied between the batches that embed the gallery with version 2.
TEST_F(SnapshotFilesTest, VersionThatBecomesWholeDuringAnEmbeddingTakesOver) {
  std::atomic<int64_t> calls{0};
  // Every look finds that the poll interval is over.
  options_.now = [&calls] { return SteadyTime() + absl::Milliseconds(++calls); };
  Restart();
  Copy(1, kManifestFileName);
  Copy(1, kWeightsFileName);
  loader_->Start();
  WaitFor(1, VersionState::kServing);
  MustAddMany(96);
  Model model;
  int batches = 0;
  model.on_encode = [this, batches](absl::Span<const EncoderInput> inputs) mutable {
    if (!IsPhoto(inputs.front())) return absl::OkStatus();
    if (++batches == 1) Copy(3, kManifestFileName);
    if (batches == 2) Copy(3, kWeightsFileName);
    return absl::OkStatus();
  };
  SetModel(2, model);
  Copy(2, kWeightsFileName);
  Copy(2, kManifestFileName);
  WaitFor(3, VersionState::kServing);
  EXPECT_LT(embedded(2), 96);
  loader_.reset();
}

TEST_F(SnapshotFilesTest, CopyThatWasBrokenOffFailsAndServesWhenItIsCopiedAgain) {
  options_.patient_looks = 2;
  Restart();
  Copy(1, kManifestFileName);
  CopyHalf(1, kWeightsFileName);
  loader_->Start();
  WaitFor(1, VersionState::kFailed);
  Copy(1, kWeightsFileName);
  WaitFor(1, VersionState::kServing);
}

TEST_F(SnapshotFilesTest, PinnedVersionThatIsCopiedServesWhenItIsWhole) {
  Copy(1, kManifestFileName);
  Copy(1, kWeightsFileName);
  Copy(2, kManifestFileName);
  loader_->Start();
  WaitFor(1, VersionState::kServing);
  ASSERT_THAT(loader_->SetServingVersion(2), IsOk());
  Copy(2, kWeightsFileName);
  WaitFor(2, VersionState::kServing);
}

TEST_F(SnapshotFilesTest, DamagedVersionIsTriedAgainOnlyWhenItsFilesChange) {
  Copy(1, kManifestFileName);
  Write(1, kWeightsFileName, std::string(SourceBytes(1, kWeightsFileName).size(), 'x'));
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kDataLoss));
  const size_t tried = HistoryOf(1).size();
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(HistoryOf(1).size(), tried);
  Copy(1, kWeightsFileName);
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotFilesTest, FileThatShrinksToItsSizeIsRead) {
  Copy(1, kManifestFileName);
  Write(1, kWeightsFileName, SourceBytes(1, kWeightsFileName) + "the end of what was there before");
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kDataLoss));
  Copy(1, kWeightsFileName);
  EXPECT_THAT(loader_->Load(), IsOk());
}

TEST_F(SnapshotFilesTest, HalfAManifestIsReadAgainWhenItIsWhole) {
  CopyHalf(1, kManifestFileName);
  Copy(1, kWeightsFileName);
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kDataLoss));
  Copy(1, kManifestFileName);
  EXPECT_THAT(loader_->Load(), IsOk());
}

TEST_F(SnapshotFilesTest, OtherBytesOfTheSameSizeAndTimeAreAChange) {
  Copy(1, kManifestFileName);
  Write(1, kWeightsFileName, std::string(SourceBytes(1, kWeightsFileName).size(), 'x'));
  const auto time = fs::last_write_time(PathOf(1, kWeightsFileName));
  EXPECT_FALSE(loader_->Load().ok());
  Copy(1, kWeightsFileName);
  fs::last_write_time(PathOf(1, kWeightsFileName), time);
  EXPECT_THAT(loader_->Load(), IsOk());
}

TEST_F(SnapshotFilesTest, GrowthOfAFileThatIsRenamedLaterIsAChange) {
  const CheckpointAdopter adopter(store_.root(), options_.data_dir);
  Copy(1, kManifestFileName);
  Write(1, ".weights.safetensors.Xa1b2c", "some");
  const std::string before = adopter.FilesOf(1);
  Write(1, ".weights.safetensors.Xa1b2c", "some more");
  EXPECT_NE(adopter.FilesOf(1), before);
  EXPECT_THAT(adopter.CheckWhole(1), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(SnapshotFilesTest, AdoptedVersionIsWholeWhateverTheStoreHolds) {
  const CheckpointAdopter adopter(store_.root(), options_.data_dir);
  Serve();
  fs::resize_file(PathOf(1, kWeightsFileName), 5);
  EXPECT_THAT(adopter.CheckWhole(1), IsOk());
}

TEST_F(SnapshotFilesTest, StatusShowsTheManifestThatWasReadLast) {
  Copy(1, kManifestFileName);
  Write(1, kWeightsFileName, "short");
  EXPECT_FALSE(loader_->Load().ok());
  EXPECT_EQ(StatusOf(1).manifest->backbone().last_stride(), 2u);
  std::string manifest = SourceBytes(1, kManifestFileName);
  const size_t stride = manifest.find("\"lastStride\": 2");
  ASSERT_NE(stride, std::string::npos);
  manifest[stride + 14] = '1';
  Write(1, kManifestFileName, manifest);
  Copy(1, kWeightsFileName);
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(StatusOf(1).manifest->backbone().last_stride(), 1u);
}

}  // namespace
}  // namespace s2p::test
