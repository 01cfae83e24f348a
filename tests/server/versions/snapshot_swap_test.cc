// A new version replaces the served one.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <utility>

#include "tests/server/versions/swap_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

using SnapshotSwapTest = SwapTest;

// Runs `action` when the version embeds its first batch of photos.
std::function<absl::Status(absl::Span<const EncoderInput>)> OnFirstPhotos(
    std::function<void()> action) {
  auto done = std::make_shared<bool>(false);
  return [done, action](absl::Span<const EncoderInput> inputs) {
    if (IsPhoto(inputs.front()) && !std::exchange(*done, true)) action();
    return absl::OkStatus();
  };
}

TEST_F(SnapshotSwapTest, NewerVersionReplacesTheOneThatServes) {
  Serve();
  MustAdd("a", 1);
  Serve();
  EXPECT_EQ(slot_.Get()->encoder->version(), 2);
  EXPECT_EQ(slot_.Get()->gallery->version(), 2);
  EXPECT_EQ(Best(1), "a");
  EXPECT_EQ(StatusOf(2).state, VersionState::kServing);
  EXPECT_EQ(StatusOf(1).state, VersionState::kRetired);
  EXPECT_EQ(loader_->Status().serving_version, 2);
}

TEST_F(SnapshotSwapTest, StatesComeInOrder) {
  Serve();
  MustAdd("a", 1);
  Serve();
  std::vector<VersionState> states;
  for (const VersionStatus& status : HistoryOf(2)) {
    if (states.empty() || states.back() != status.state) states.push_back(status.state);
  }
  EXPECT_THAT(states, ElementsAre(VersionState::kLoading, VersionState::kWarming,
                                  VersionState::kEmbedding, VersionState::kServing));
  EXPECT_EQ(HistoryOf(1).back().state, VersionState::kRetired);
}

TEST_F(SnapshotSwapTest, WarmUpComputesEverySizeWithPhotosAndSketches) {
  options_.warm_up_batch_sizes = {1, 4};
  options_.warm_up_passes = 3;
  Restart();
  std::map<std::pair<size_t, v1::Modality>, int> passes;
  Model model;
  model.on_encode = [&](absl::Span<const EncoderInput> inputs) {
    ++passes[{inputs.size(), inputs.front().modality}];
    return absl::OkStatus();
  };
  SetModel(1, model);
  Serve();
  EXPECT_THAT(
      passes,
      ElementsAre(Pair(Pair(1, v1::MODALITY_SKETCH), 3), Pair(Pair(1, v1::MODALITY_PHOTO), 3),
                  Pair(Pair(4, v1::MODALITY_SKETCH), 3), Pair(Pair(4, v1::MODALITY_PHOTO), 3)));
}

TEST_F(SnapshotSwapTest, OldVersionServesWhileTheNewOneIsWarmedUpAndEmbeds) {
  Serve();
  MustAdd("a", 1);
  std::vector<std::pair<int64_t, std::string>> answers;
  Model model;
  model.on_encode = [&](absl::Span<const EncoderInput>) {
    answers.emplace_back(ServingVersion(), Best(1));
    return absl::OkStatus();
  };
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  ASSERT_GE(answers.size(), 2u);
  for (const auto& answer : answers) EXPECT_THAT(answer, Pair(1, "a"));
}

TEST_F(SnapshotSwapTest, WhatIsAddedAndDeletedMeanwhileIsCaughtUpWith) {
  Serve();
  MustAdd("a", 1);
  MustAdd("b", 2);
  Model model;
  model.on_encode = OnFirstPhotos([this] {
    MustAdd("c", 3);
    const std::vector<std::string> deleted = {"a"};
    ASSERT_THAT(gallery_->Delete(deleted), IsOk());
  });
  SetModel(2, model);
  Serve();
  EXPECT_EQ(slot_.Get()->gallery->size(), 2);
  EXPECT_EQ(Best(2), "b");
  EXPECT_EQ(Best(3), "c");
}

// Calls `action` when all that version 2 lacks is embedded, which is nothing, before it serves.
class LateSwapTest : public SwapTest {
 protected:
  void ServeOneAndLoadTwo(const std::function<void()>& action) {
    options_.on_change = [action, record = options_.on_change](const VersionStatus& status) {
      record(status);
      if (status.version == 2 && status.state == VersionState::kEmbedding) action();
    };
    Restart();
    Serve();
    Publish();
    ASSERT_THAT(loader_->Load(), IsOk());
  }
  bool HasServed(int64_t version) const {
    const auto history = HistoryOf(version);
    return std::any_of(history.begin(), history.end(), [](const VersionStatus& status) {
      return status.state == VersionState::kServing;
    });
  }
};

TEST_F(LateSwapTest, NewerVersionComesAfterTheOneThatIsAlmostDone) {
  bool published = false;
  ServeOneAndLoadTwo([&] {
    if (!std::exchange(published, true)) Publish();
  });
  ASSERT_TRUE(published);
  EXPECT_TRUE(HasServed(2));
  EXPECT_EQ(ServingVersion(), 3);
}

TEST_F(LateSwapTest, PinStopsTheOneThatIsAlmostDone) {
  ServeOneAndLoadTwo([this] { EXPECT_THAT(gallery_->SetPinnedVersion(1), IsOk()); });
  EXPECT_FALSE(HasServed(2));
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotSwapTest, VersionThatCannotBeLoadedLeavesTheOldOneServing) {
  Serve();
  Model model;
  model.load = absl::DataLossError("weights.safetensors: probe differs");
  SetModel(2, model);
  Publish();
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(StatusOf(2).state, VersionState::kFailed);
  EXPECT_EQ(StatusOf(2).failure, model.load);
  EXPECT_EQ(StatusOf(1).state, VersionState::kServing);
}

TEST_F(SnapshotSwapTest, FinalFailureIsToldOnceAndNotTriedAgain) {
  Serve();
  Model model;
  model.load = absl::DataLossError("probe");
  SetModel(2, model);
  Publish();
  for (int i = 0; i < 3; ++i) ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_THAT(loaded(), ElementsAre(1, 2));
  EXPECT_EQ(HistoryOf(2).size(), 2u);  // Loading, failed.
}

TEST_F(SnapshotSwapTest, FailureThatMayPassIsTriedAgain) {
  Serve();
  Model model;
  model.load = absl::ResourceExhaustedError("out of device memory");
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  SetModel(2, {});
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotSwapTest, FailureInTheWarmUpLeavesTheOldOneServing) {
  Serve();
  Model model;
  model.on_encode = [](absl::Span<const EncoderInput> inputs) {
    return IsPhoto(inputs.front()) ? absl::OkStatus() : absl::InternalError("no kernel");
  };
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_THAT(std::string(StatusOf(2).failure.message()), HasSubstr("no kernel"));
}

TEST_F(SnapshotSwapTest, WarmUpThatGivesNoNumbersOnceIsTriedAgain) {
  Serve();
  bool failed = false;
  Model model;
  model.on_encode = [&](absl::Span<const EncoderInput>) {
    EmbeddingMatrix zeros(1, 1);
    return std::exchange(failed, true) ? absl::OkStatus() : NormalizeRows(zeros);
  };
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  ASSERT_EQ(ServingVersion(), 1);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotSwapTest, FailureInTheEmbeddingLeavesTheOldOneServing) {
  Serve();
  MustAdd("a", 1);
  Model model;
  model.on_encode = [](absl::Span<const EncoderInput> inputs) {
    return IsPhoto(inputs.front()) ? absl::InternalError("gone") : absl::OkStatus();
  };
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(Best(1), "a");
  EXPECT_EQ(StatusOf(2).state, VersionState::kFailed);
}

TEST_F(SnapshotSwapTest, OfABurstOnlyTheNewestIsWorkedOn) {
  Serve();
  for (int i = 0; i < 3; ++i) Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 4);
  EXPECT_THAT(loaded(), ElementsAre(1, 4));
}

TEST_F(SnapshotSwapTest, NextNewestServesIfTheNewestIsDamaged) {
  Serve();
  Publish();
  Publish();
  Model model;
  model.load = absl::DataLossError("probe");
  SetModel(3, model);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotSwapTest, NothingIsEmbeddedForAnOlderVersionWhileTheNewestMayRecover) {
  Serve();
  Publish();
  Publish();
  Model model;
  model.load = absl::ResourceExhaustedError("out of device memory");
  SetModel(3, model);
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_THAT(loaded(), ElementsAre(1, 3));
}

TEST_F(SnapshotSwapTest, NewerVersionSupersedesTheOneThatIsBeingEmbedded) {
  Serve();
  MustAdd("a", 1);
  Model model;
  model.on_encode = OnFirstPhotos([this] { Publish(); });
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 3);
  EXPECT_EQ(StatusOf(2).state, VersionState::kPublished);
  for (const VersionStatus& status : HistoryOf(2)) EXPECT_THAT(status.failure, IsOk());
}

TEST_F(SnapshotSwapTest, SupersededVersionServesIfTheNewerOneIsDamaged) {
  Serve();
  MustAddMany(40);
  Model damaged;
  damaged.load = absl::DataLossError("probe");
  SetModel(3, damaged);
  Model model;
  model.on_encode = OnFirstPhotos([this] { Publish(); });
  SetModel(2, model);
  Publish();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
  EXPECT_THAT(loaded(), ElementsAre(1, 2, 3, 2));
  // The batch that was already embedded is not embedded again.
  EXPECT_EQ(embedded(2), 40);
}

TEST_F(SnapshotSwapTest, WhileNothingServesNoNewerVersionSupersedes) {
  Serve();
  MustAdd("a", 1);
  Model model;
  model.on_encode = OnFirstPhotos([this] { Publish(); });
  SetModel(2, model);
  Publish();
  Model lost;
  lost.load = absl::DataLossError("lost");
  SetModel(1, lost);
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(HistoryOf(2).back().state, VersionState::kRetired);
  EXPECT_EQ(ServingVersion(), 3);
}

TEST_F(SnapshotSwapTest, AfterARestartWhatIsEmbeddedServesUntilTheNewerVersionIs) {
  Serve();
  MustAdd("a", 1);
  std::vector<int64_t> serving;
  Model model;
  model.on_encode = OnFirstPhotos([&] { serving.push_back(ServingVersion()); });
  SetModel(2, model);
  Publish();
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_THAT(serving, ElementsAre(1));
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(SnapshotSwapTest, AfterARestartOnlyTheNewestOfThoseEmbeddedIsLoaded) {
  Serve();
  MustAdd("a", 1);
  Serve();
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_THAT(loaded(), ElementsAre(2));
}

TEST_F(SnapshotSwapTest, StopInterruptsTheEmbeddingWhichResumesAfterARestart) {
  Serve();
  MustAddMany(40);
  Model model;
  model.on_encode = OnFirstPhotos([this] { loader_->Stop(); });
  SetModel(2, model);
  Publish();
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(StatusOf(2).state, VersionState::kPublished);
  const int done = embedded(2);
  EXPECT_LT(done, 40);
  SetModel(2, {});
  Restart();
  ASSERT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
  EXPECT_EQ(embedded(2), 40 - done);
}

TEST_F(SnapshotSwapTest, TimeLeftComesFromTheSpeedSoFar) {
  SteadyTime now;
  options_.now = [&now] { return now; };
  Restart();
  Serve();
  MustAddMany(64);
  Model model;
  model.on_encode = [&](absl::Span<const EncoderInput> inputs) {
    if (IsPhoto(inputs.front())) now += absl::Seconds(10);
    return absl::OkStatus();
  };
  SetModel(2, model);
  Serve();
  std::vector<std::pair<double, absl::Duration>> told;
  for (const VersionStatus& status : HistoryOf(2)) {
    if (status.state == VersionState::kEmbedding) told.emplace_back(status.progress, status.eta);
  }
  EXPECT_THAT(told, ElementsAre(Pair(0, absl::InfiniteDuration()), Pair(0.5, absl::Seconds(10)),
                                Pair(1, absl::ZeroDuration())));
}

TEST_F(SnapshotSwapTest, ThreadTakesNewVersionsWhileItServes) {
  options_.poll_interval = absl::Milliseconds(1);
  Restart();
  loader_->Start();
  for (int64_t version = 1; version <= 3; ++version) {
    Publish();
    WaitFor(version, VersionState::kServing);
    EXPECT_EQ(ServingVersion(), version);
  }
}

TEST_F(SnapshotSwapTest, FailureThatMayPassIsTriedAgainAfterLongerAndLongerPauses) {
  // The loader polls all the time, and its clock advances only when the test says so.
  std::atomic<int64_t> microseconds{0};
  std::atomic<int> looks{0};
  options_.now = [&] {
    ++looks;
    return SteadyTime() + absl::Microseconds(microseconds.load());
  };
  options_.poll_interval = absl::Milliseconds(1);
  Restart();
  Model model;
  model.load = absl::ResourceExhaustedError("no memory");
  SetModel(1, model);
  Publish();
  loader_->Start();
  const auto loads_after_looks = [&] {
    for (const int begin = looks; looks < begin + 20;) std::this_thread::yield();
    return loaded().size();
  };
  EXPECT_EQ(loads_after_looks(), 1u);
  // Each pause is twice the one before: one poll interval, two, four.
  int64_t end_of_pause = 0;
  for (size_t attempts = 1; attempts <= 3; ++attempts) {
    end_of_pause += 1000 << (attempts - 1);
    microseconds = end_of_pause - 1;
    EXPECT_EQ(loads_after_looks(), attempts);
    microseconds = end_of_pause;
    EXPECT_EQ(loads_after_looks(), attempts + 1);
  }
  loader_->Stop();
}

TEST_F(SnapshotSwapTest, WorkThatIsCancelledIsNoFailure) {
  Serve();
  Model model;
  model.load = absl::CancelledError("the server is ending");
  SetModel(2, model);
  Publish();
  EXPECT_THAT(loader_->Load(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(StatusOf(2).state, VersionState::kPublished);
  EXPECT_EQ(ServingVersion(), 1);
}

TEST_F(SnapshotSwapTest, BadOptionsOfTheSwapAreNamed) {
  const auto refusal = [this] {
    return std::string(SnapshotLoader::Create(options_, gallery_.get()).status().message());
  };
  options_.reembed_share = 0.01;
  EXPECT_THAT(refusal(), HasSubstr("reembed_share: 0.01"));
  options_.reembed_share = 1;
  options_.warm_up_batch_sizes = {0};
  EXPECT_THAT(refusal(), HasSubstr("warm_up_batch_sizes: 0"));
  options_.warm_up_batch_sizes = {1};
  options_.warm_up_passes = -1;
  EXPECT_THAT(refusal(), HasSubstr("warm_up_passes: -1"));
}

// The disk of the data folder has as much free space as a test says.
class LowDiskSwapTest : public SwapTest {
 protected:
  LowDiskSwapTest() {
    gallery_options_.min_free = {1000, 1};
    gallery_options_.measure_disk = [this] { return DiskSpace{free_, 2'000'000}; };
    Restart();
    Serve();
    MustAdd("a", 1);
  }
  // The size of a version's files in the store.
  uint64_t SizeOf(int64_t version) const {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(store_.DirectoryOf(version))) {
      bytes += file.file_size();
    }
    return bytes;
  }
  // The loader refuses version 2 for lack of room, and version 1 serves as before.
  void ExpectRefused(const std::string& reason) {
    EXPECT_THAT(loader_->Load(), IsOk());
    EXPECT_EQ(ServingVersion(), 1);
    EXPECT_EQ(Best(1), "a");
    EXPECT_EQ(StatusOf(2).state, VersionState::kFailed);
    EXPECT_THAT(StatusOf(2).failure,
                StatusIs(absl::StatusCode::kResourceExhausted,
                         testing::AllOf(HasSubstr(reason), HasSubstr("--min-free"))));
  }

  std::atomic<uint64_t> free_ = 1'000'000;
};

TEST_F(LowDiskSwapTest, CopyThatWouldTakeTheReserveIsNotMadeUntilThereIsRoom) {
  Publish();
  free_ = 1000 + SizeOf(2) - 1;
  ExpectRefused("a copy of the model takes");
  EXPECT_THAT(loaded(), ElementsAre(1));
  for (const char* copy : {"/models/2", "/models/.2.tmp"}) {
    EXPECT_FALSE(std::filesystem::exists(options_.data_dir + copy)) << copy;
  }
  ++free_;
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
  EXPECT_EQ(Best(1), "a");
}

TEST_F(LowDiskSwapTest, EmbeddingsThatWouldTakeTheReserveAreNotBegunUntilThereIsRoom) {
  Publish();
  Model model;
  // The first batch of the warm-up comes after the copy.
  model.on_encode = [this](absl::Span<const EncoderInput>) {
    free_ = 1001;
    return absl::OkStatus();
  };
  SetModel(2, std::move(model));
  ExpectRefused("the embeddings of 1 item take");
  EXPECT_EQ(embedded(2), 0);
  SetModel(2, {});
  free_ = 1'000'000;
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(LowDiskSwapTest, RoomThatIsTakenMeanwhileEndsTheEmbeddingAndKeepsWhatIsDone) {
  MustAddMany(100);
  Publish();
  Model model;
  // Another program takes the room during the second batch.
  model.on_encode = [this](absl::Span<const EncoderInput> inputs) {
    if (IsPhoto(inputs.front()) && embedded(2) > 32) free_ = 900;
    return absl::OkStatus();
  };
  SetModel(2, std::move(model));
  ExpectRefused("the embeddings of 32 items");
  EXPECT_EQ(*gallery_->CountWithoutEmbedding(2), 101 - 32);
  EXPECT_THAT(gallery_->Delete({"many0"}), IsOk());
  SetModel(2, {});
  free_ = 1'000'000;
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 2);
}

TEST_F(LowDiskSwapTest, AdoptedVersionServesAfterARestartWithoutRoom) {
  free_ = 0;
  Restart();
  EXPECT_THAT(loader_->Load(), IsOk());
  EXPECT_EQ(ServingVersion(), 1);
  EXPECT_EQ(Best(1), "a");
}

}  // namespace
}  // namespace s2p::test
