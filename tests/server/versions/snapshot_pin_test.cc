// Rolling back, and following the newest again.
#include <filesystem>
#include <utility>

#include "tests/server/versions/swap_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SnapshotPinTest : public SwapTest {
 protected:
  // Runs `action` with each batch of photos.
  static Model OnPhotos(std::function<void()> action) {
    Model model;
    model.on_encode = [action](absl::Span<const EncoderInput> inputs) {
      if (IsPhoto(inputs.front())) action();
      return absl::OkStatus();
    };
    return model;
  }
  void Pin(std::optional<int64_t> version) {
    const absl::Status status = loader_->SetServingVersion(version);
    ASSERT_THAT(status, IsOk());
  }
};

TEST_F(SnapshotPinTest, RollBackEmbedsOnlyWhatWasAddedSince) {
  Serve();
  MustAddMany(20);
  Serve();
  MustAdd("new", 1);
  const int before = embedded(1);
  Pin(1);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(Best(1), "new");
  // One by the rollback, one by this test's search.
  EXPECT_EQ(embedded(1) - before, 2);
  EXPECT_EQ(StatusOf(2).state, VersionState::kRetired);
  EXPECT_EQ(loader_->Status().pinned_version, 1);
}

TEST_F(SnapshotPinTest, UnknownVersionIsNotFoundAndChangesNothing) {
  Serve();
  const absl::Status status = loader_->SetServingVersion(7);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("version: 7")));
  EXPECT_EQ(loader_->Status().pinned_version, std::nullopt);
}

TEST_F(SnapshotPinTest, PinIsDurableBeforeAnybodyTurnsToIt) {
  Serve();
  Serve();
  Pin(1);
  EXPECT_EQ(ServingVersion(), 2);
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotPinTest, NewerVersionDoesNotMoveThePin) {
  Serve();
  Pin(1);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(StatusOf(2).state, VersionState::kPublished);
}

TEST_F(SnapshotPinTest, WithoutThePinTheNewestIsFollowedAgain) {
  Serve();
  Pin(1);
  Publish();
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  Pin(std::nullopt);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 3);
  EXPECT_EQ(loader_->Status().pinned_version, std::nullopt);
}

TEST_F(SnapshotPinTest, PinnedVersionMayBeNewerThanWhatServes) {
  Serve();
  Publish();
  Publish();
  Pin(2);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotPinTest, ThreadTurnsToThePinWithoutWaitingForTheNextLook) {
  Serve();
  Serve();
  loader_->Start();
  {
    absl::MutexLock lock(&mutex_);
    history_.clear();
  }
  Pin(1);
  WaitFor(1, VersionState::kServing);
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotPinTest, PinLeavesTheVersionThatIsBeingEmbedded) {
  Serve();
  MustAddMany(40);
  SetModel(2, OnPhotos([this] { Pin(1); }));
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(StatusOf(2).state, VersionState::kPublished);
  EXPECT_EQ(embedded(2), 32);
}

TEST_F(SnapshotPinTest, PinnedVersionIsNotSupersededByANewerOne) {
  Serve();
  MustAdd("a", 1);
  SetModel(2, OnPhotos([this] { Publish(); }));
  Publish();
  Pin(2);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotPinTest, PinnedVersionThatFailsLeavesTheOldOneServing) {
  for (int i = 0; i < 2; ++i) Publish();
  Serve();
  Model model;
  model.load = absl::DataLossError("probe");
  SetModel(2, model);
  Pin(2);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 3);
  EXPECT_THAT(loaded(), ElementsAre(3, 2));
  EXPECT_EQ(StatusOf(2).state, VersionState::kFailed);
}

TEST_F(SnapshotPinTest, VersionThatFailedForGoodIsTriedAgainWhenItIsAskedFor) {
  Serve();
  Model model;
  model.load = absl::DataLossError("probe");
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  SetModel(2, {});
  Pin(2);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotPinTest, CopyThatServedBeforeIsKeptForRollingBack) {
  Serve();
  Serve();
  // Copied, but never serving; and not a reason to forget version 1.
  Model model;
  model.load = absl::DataLossError("probe");
  for (int64_t version : {3, 4}) {
    SetModel(version, model);
    Publish();
    ASSERT_THAT(loader_->Load(), IsOk());
  }
  Serve();
  Pin(2);
  std::filesystem::remove_all(store_.root());
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotPinTest, EveryChangeOfTheStatusIsTold) {
  int told = 0;
  options_.on_status = [&told] { ++told; };
  Restart();
  Serve();
  EXPECT_GE(told, 4);  // Seen, loading, warming, serving, at least.
  told = 0;
  Pin(1);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace s2p::test
