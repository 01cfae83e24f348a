#include "server/versions/snapshot_loader.h"

#include <filesystem>
#include <fstream>

#include "absl/synchronization/notification.h"
#include "tests/server/versions/swap_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SnapshotLoaderTest : public SwapTest {
 protected:
  static void FlipLastByte(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x7F');
  }
  std::string WeightsOf(int64_t version) const {
    return store_.DirectoryOf(version) + "/" + kWeightsFileName;
  }
  std::string AdoptedWeightsOf(int64_t version) const {
    return absl::StrCat(options_.data_dir, "/models/", version, "/", kWeightsFileName);
  }
};

TEST_F(SnapshotLoaderTest, NewestVersionServes) {
  Publish();
  Publish();
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
  EXPECT_THAT(loaded(), ElementsAre(2));
  EXPECT_EQ(StatusOf(2).state, VersionState::kServing);
  EXPECT_EQ(StatusOf(1).state, VersionState::kPublished);
  EXPECT_EQ(loader_->Status().serving_version, 2);
  EXPECT_EQ(loader_->Status().device, "cpu");
}

TEST_F(SnapshotLoaderTest, StatusHasNewestFirstWithTheirManifests) {
  Publish();
  Publish();
  const ModelStatus status = loader_->Status();
  ASSERT_EQ(status.versions.size(), 2u);
  EXPECT_EQ(status.versions[0].version, 2);
  EXPECT_EQ(status.versions[1].version, 1);
  ASSERT_NE(status.versions[1].manifest, nullptr);
  EXPECT_EQ(status.versions[1].manifest->backbone().arch(), "resnet18");
  EXPECT_EQ(status.serving_version, 0);
}

TEST_F(SnapshotLoaderTest, EmptyStoreIsNotFound) {
  const absl::Status status = loader_->Load();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               HasSubstr(store_.root() + ": no checkpoint is published here")));
  EXPECT_THAT(loader_->Status().versions, IsEmpty());
}

TEST_F(SnapshotLoaderTest, AdoptedCopyIsWhatIsLoaded) {
  std::string loaded_from;
  options_.load_encoder = [&, load = options_.load_encoder](const Checkpoint& checkpoint) {
    loaded_from = checkpoint.directory;
    return load(checkpoint);
  };
  Restart();
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(loaded_from, options_.data_dir + "/models/1");
  EXPECT_EQ(*Sha256OfFile(AdoptedWeightsOf(1)), *Sha256OfFile(WeightsOf(1)));
}

TEST_F(SnapshotLoaderTest, AdoptedCopyServesWhenTheStoreIsGone) {
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  fs::remove_all(store_.root());
  Restart();
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotLoaderTest, DamagedVersionFailsWithTheReasonAndTheOlderOneServes) {
  Publish();
  Publish();
  FlipLastByte(WeightsOf(2));
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  const VersionStatus failed = StatusOf(2);
  EXPECT_EQ(failed.state, VersionState::kFailed);
  EXPECT_THAT(failed.failure, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sha256")));
  EXPECT_FALSE(fs::exists(AdoptedWeightsOf(2)));
}

TEST_F(SnapshotLoaderTest, ShortFileFailsBeforeItIsCopied) {
  Publish();
  fs::resize_file(WeightsOf(1), 5);
  const absl::Status status = loader_->Load();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(WeightsOf(1) + ": size: 5 bytes")));
}

TEST_F(SnapshotLoaderTest, MissingWeightsAreDataLoss) {
  Publish();
  fs::remove(WeightsOf(1));
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(SnapshotLoaderTest, FolderOfAnotherVersionIsDataLoss) {
  Publish();
  fs::rename(store_.DirectoryOf(1), store_.DirectoryOf(4));
  const absl::Status status = loader_->Load();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version: 1, but the folder is 4")));
}

TEST_F(SnapshotLoaderTest, DamagedAdoptedCopyIsCopiedAgain) {
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  FlipLastByte(AdoptedWeightsOf(1));
  Restart();
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(*Sha256OfFile(AdoptedWeightsOf(1)), *Sha256OfFile(WeightsOf(1)));
}

TEST_F(SnapshotLoaderTest, DamagedAdoptedCopyWithoutAStoreIsTheReason) {
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  FlipLastByte(AdoptedWeightsOf(1));
  fs::remove_all(store_.root());
  Restart();
  const absl::Status status = loader_->Load();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("models/1")));
}

TEST_F(SnapshotLoaderTest, EncoderThatCannotBeMadeFailsItsVersionOnly) {
  Publish();
  Publish();
  const absl::Status failure = absl::DataLossError("weights.safetensors: tensor 'w': wrong shape");
  SetModel(2, {failure});
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(StatusOf(2).failure, failure);
}

TEST_F(SnapshotLoaderTest, ExceptionOfALibraryFailsItsVersionOnly) {
  Publish();
  Publish();
  SetModel(2, {absl::OkStatus(), [](auto) -> absl::Status { throw std::bad_alloc(); }});
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_THAT(StatusOf(2).failure,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("main memory")));
  SetModel(2, {absl::OkStatus(), [](auto) -> absl::Status { throw std::runtime_error("odd"); }});
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(StatusOf(2).failure, absl::InternalError("odd"));
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotLoaderTest, FinalFailureIsNotTriedAgainButAPassingOneIs) {
  Publish();
  const absl::Status passing = absl::ResourceExhaustedError("out of device memory");
  SetModel(1, {passing});
  EXPECT_EQ(loader_->Load(), passing);
  EXPECT_EQ(loader_->Load(), passing);
  EXPECT_THAT(loaded(), ElementsAre(1, 1));
  const absl::Status final = absl::DataLossError("probe");
  SetModel(1, {final});
  EXPECT_EQ(loader_->Load(), final);
  EXPECT_EQ(loader_->Load(), final);
  EXPECT_THAT(loaded(), ElementsAre(1, 1, 1));
}

TEST_F(SnapshotLoaderTest, PinnedVersionServesAlsoAfterARestart) {
  for (int i = 0; i < 3; ++i) Publish();
  ASSERT_THAT(gallery_->SetPinnedVersion(2), IsOk());
  Restart();
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
  EXPECT_EQ(loader_->Status().pinned_version, 2);
}

TEST_F(SnapshotLoaderTest, NothingNewerThanThePinServes) {
  Publish();
  Publish();
  FlipLastByte(WeightsOf(1));
  ASSERT_THAT(gallery_->SetPinnedVersion(1), IsOk());
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(ServingVersion(), 0);
}

TEST_F(SnapshotLoaderTest, GalleryIsEmbeddedWithTheNewVersion) {
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  const NewItem item = MakeNewItem("a", 1, *slot_.Get()->encoder);
  ASSERT_THAT(gallery_->Add({&item, 1}).front(), IsOk());
  Publish();
  std::vector<double> progress;
  options_.on_change = [&](const VersionStatus& status) {
    if (status.version != 2 || status.state != VersionState::kEmbedding) return;
    progress.push_back(status.progress);
  };
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(slot_.Get()->gallery->version(), 2);
  EXPECT_EQ(slot_.Get()->gallery->size(), 1);
  EXPECT_EQ(progress.front(), 0);
  EXPECT_EQ(progress.back(), 1);
}

TEST_F(SnapshotLoaderTest, OldCopiesAreRemovedButThePinnedAndTheServingOneStay) {
  for (int i = 0; i < 4; ++i) {
    Publish();
    Restart();
    ASSERT_THAT(loader_->Load(), IsOk());
  }
  EXPECT_FALSE(fs::exists(AdoptedWeightsOf(1)));
  EXPECT_FALSE(fs::exists(AdoptedWeightsOf(2)));
  EXPECT_TRUE(fs::exists(AdoptedWeightsOf(3)));
  EXPECT_TRUE(fs::exists(AdoptedWeightsOf(4)));
  ASSERT_THAT(gallery_->SetPinnedVersion(1), IsOk());
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_TRUE(fs::exists(AdoptedWeightsOf(1)));
}

TEST_F(SnapshotLoaderTest, LeftoverOfAnInterruptedCopyIsRemoved) {
  Publish();
  const std::string leftover = options_.data_dir + "/models/.9.tmp";
  fs::create_directories(leftover);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_FALSE(fs::exists(leftover));
}

TEST_F(SnapshotLoaderTest, ThreadWaitsForTheFirstCheckpoint) {
  absl::Notification serving;
  options_.poll_interval = absl::Milliseconds(1);
  options_.on_change = [&](const VersionStatus& status) {
    if (status.state == VersionState::kServing) serving.Notify();
  };
  Restart();
  loader_->Start();
  Publish();
  serving.WaitForNotification();
  EXPECT_EQ(ServingVersion(), 1);
  loader_->Stop();
}

TEST_F(SnapshotLoaderTest, StopEndsTheWaitForTheNextLook) {
  options_.poll_interval = absl::InfiniteDuration();
  Restart();
  loader_->Start();
  loader_->Stop();
  EXPECT_EQ(ServingVersion(), 0);
}

TEST_F(SnapshotLoaderTest, BadOptionIsNamed) {
  options_.keep_versions = 0;
  EXPECT_THAT(SnapshotLoader::Create(options_, gallery_.get()).status().message(),
              HasSubstr("keep_versions"));
  options_.load_encoder = nullptr;
  EXPECT_THAT(SnapshotLoader::Create(options_, gallery_.get()).status().message(),
              HasSubstr("load_encoder"));
}

}  // namespace
}  // namespace s2p::test
