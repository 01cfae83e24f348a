#include "model/checkpoint_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/model/checkpoint_fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;
using test::IsOk;
using test::SmallManifest;
using test::SmallWeights;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class CheckpointStoreTest : public testing::Test {
 protected:
  int64_t Publish() {
    const auto version = store_.Publish(SmallManifest(), SmallWeights());
    EXPECT_THAT(version, IsOk());
    return version.value_or(0);
  }
  std::vector<int64_t> Versions() {
    const auto versions = store_.Versions();
    EXPECT_THAT(versions, IsOk());
    return versions.value_or(std::vector<int64_t>());
  }
  // Names in the root that are not versions.
  std::vector<std::string> Leftovers() {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(store_.root())) {
      if (entry.path().filename().string()[0] == '.') names.push_back(entry.path().filename());
    }
    return names;
  }
  void MakeFolder(const std::string& name) { fs::create_directories(dir_.File("store/" + name)); }

  test::TempDir dir_;
  const CheckpointStore store_{dir_.File("store")};
};

TEST_F(CheckpointStoreTest, MissingRootIsNotFound) {
  EXPECT_THAT(store_.Versions(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_.NewestVersion(), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CheckpointStoreTest, EmptyRootHasNoVersions) {
  MakeFolder("");
  EXPECT_THAT(Versions(), IsEmpty());
  const absl::Status status = store_.NewestVersion().status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no checkpoint is published here")));
}

TEST_F(CheckpointStoreTest, VersionsCountFromOne) {
  EXPECT_EQ(Publish(), 1);
  EXPECT_EQ(Publish(), 2);
  EXPECT_THAT(Versions(), ElementsAre(1, 2));
  EXPECT_EQ(store_.NewestVersion().value(), 2);
}

TEST_F(CheckpointStoreTest, PublishedCheckpointIsRead) {
  const int64_t version = Publish();
  const auto checkpoint = store_.Read(version);
  ASSERT_THAT(checkpoint, IsOk());
  EXPECT_EQ(checkpoint->manifest.version(), version);
  EXPECT_EQ(checkpoint->manifest.files_size(), 1);
}

TEST_F(CheckpointStoreTest, PublishingMakesTheRootAndItsParents) {
  const CheckpointStore deep(dir_.File("a/b/c"));
  EXPECT_EQ(deep.Publish(SmallManifest(), SmallWeights()).value(), 1);
}

TEST_F(CheckpointStoreTest, PublishingLeavesNothingElseBehind) {
  Publish();
  EXPECT_THAT(Leftovers(), IsEmpty());
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(store_.DirectoryOf(1))) {
    names.insert(entry.path().filename());
  }
  EXPECT_THAT(names, ElementsAre("manifest.json", "weights.safetensors"));
}

TEST_F(CheckpointStoreTest, PrunedNumbersAreNotReused) {
  Publish();
  Publish();
  fs::remove_all(store_.DirectoryOf(1));
  EXPECT_EQ(Publish(), 3);
}

TEST_F(CheckpointStoreTest, VersionsSortAsNumbers) {
  for (const char* name : {"9", "10", "2"}) MakeFolder(name);
  EXPECT_THAT(Versions(), ElementsAre(2, 9, 10));
}

TEST_F(CheckpointStoreTest, OtherNamesAreNotVersions) {
  for (const char* name : {"0", "-1", "+1", "01", "1a", " 1", "1.0", "latest", ".1", ".8f.tmp",
                           "99999999999999999999", "9223372036854775808"}) {
    MakeFolder(name);
  }
  std::ofstream(dir_.File("store/7")) << "a file";
  EXPECT_THAT(Versions(), IsEmpty());
}

TEST_F(CheckpointStoreTest, LinkToAFolderIsAVersionAndADeadLinkIsNot) {
  Publish();
  fs::create_directory_symlink("1", dir_.File("store/5"));
  fs::create_directory_symlink("nowhere", dir_.File("store/6"));
  EXPECT_THAT(Versions(), ElementsAre(1, 5));
}

TEST_F(CheckpointStoreTest, FileWithTheNextNumberIsSkipped) {
  Publish();
  std::ofstream(dir_.File("store/2")) << "a file";
  EXPECT_EQ(Publish(), 3);
}

TEST_F(CheckpointStoreTest, LastNumberIsTheLast) {
  MakeFolder(absl::StrCat(std::numeric_limits<int64_t>::max()));
  const absl::Status status = store_.Publish(SmallManifest(), SmallWeights()).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(Leftovers(), IsEmpty());
}

TEST_F(CheckpointStoreTest, FolderOfAnotherVersionIsDataLoss) {
  Publish();
  fs::rename(store_.DirectoryOf(1), store_.DirectoryOf(4));
  const absl::Status status = store_.Read(4).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("manifest.json: version: 1, but the folder is 4")));
}

TEST_F(CheckpointStoreTest, ReadingAMissingVersionIsNotFound) {
  Publish();
  EXPECT_THAT(store_.Read(2), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CheckpointStoreTest, InvalidManifestIsRefusedBeforeAnythingIsWritten) {
  v1::CheckpointManifest manifest = SmallManifest();
  manifest.mutable_backbone()->set_arch("vgg");
  const absl::Status status = store_.Publish(manifest, SmallWeights()).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("backbone.arch")));
  EXPECT_FALSE(fs::exists(store_.root()));
}

TEST_F(CheckpointStoreTest, WeightsThatAreNotFiniteAreNotPublished) {
  TensorMap weights = SmallWeights();
  weights["w"] = TensorBytes{TensorType::kF32, {1}, std::string("\0\0\x80\x7F", 4)};
  const absl::Status status = store_.Publish(SmallManifest(), weights).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("tensor 'w'")));
}

TEST_F(CheckpointStoreTest, AbandonedFoldersAreSweptAndFreshOnesAreNot) {
  MakeFolder(".0123.tmp/sub");
  MakeFolder(".4567.tmp");
  MakeFolder(".backup");
  MakeFolder(".backup.tmp");
  for (const char* name : {".0123.tmp", ".backup", ".backup.tmp"}) {
    fs::last_write_time(dir_.File(absl::StrCat("store/", name)),
                        fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  Publish();
  EXPECT_THAT(Leftovers(), testing::UnorderedElementsAre(".4567.tmp", ".backup", ".backup.tmp"));
}

TEST_F(CheckpointStoreTest, RootThatIsAFileIsAnError) {
  std::ofstream(dir_.File("store")) << "a file";
  const absl::Status status = store_.Publish(SmallManifest(), SmallWeights()).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(store_.root()));
}

TEST_F(CheckpointStoreTest, ConcurrentWritersTakeDifferentNumbers) {
  constexpr int kWriters = 4;
  constexpr int kEach = 3;
  std::vector<int64_t> got(kWriters * kEach);
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) {
        got[w * kEach + i] = store_.Publish(SmallManifest(), SmallWeights()).value_or(0);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::sort(got.begin(), got.end());
  for (int i = 0; i < kWriters * kEach; ++i) EXPECT_EQ(got[i], i + 1);
  for (int64_t version : got) EXPECT_THAT(store_.Read(version), IsOk()) << version;
  EXPECT_THAT(Leftovers(), IsEmpty());
}

TEST_F(CheckpointStoreTest, ReaderNeverSeesHalfACheckpoint) {
  Publish();
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 10; ++i) Publish();
    done = true;
  });
  int64_t newest = 0;
  do {
    newest = store_.NewestVersion().value();
    const auto checkpoint = store_.Read(newest);
    EXPECT_THAT(checkpoint, IsOk());
  } while (!done);
  writer.join();
  EXPECT_EQ(store_.NewestVersion().value(), 11);
}

// A writer that is killed at any moment leaves a store that reads as before.
TEST_F(CheckpointStoreTest, KilledWriterLeavesWholeCheckpointsOnly) {
  Publish();
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) {
      if (!store_.Publish(SmallManifest(), SmallWeights()).ok()) _exit(1);
      if (write(ready[1], "x", 1) != 1) _exit(1);
    }
  }
  char bytes[3];
  for (char& byte : bytes) ASSERT_EQ(read(ready[0], &byte, 1), 1);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(ready[0]);
  close(ready[1]);
  const std::vector<int64_t> versions = Versions();
  EXPECT_GE(versions.size(), 4u);
  for (int64_t version : versions) EXPECT_THAT(store_.Read(version), IsOk()) << version;
  EXPECT_EQ(Publish(), versions.back() + 1);
}

// Root can write anywhere, so a child process drops its privileges first.
TEST_F(CheckpointStoreTest, ReadOnlyRootIsPermissionDeniedForWritersAndFineForReaders) {
  Publish();
  fs::permissions(dir_.path(), fs::perms(0755));
  fs::permissions(store_.root(), fs::perms(0555));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (geteuid() == 0 && setuid(65534) != 0) _exit(1);
    if (!store_.Read(1).ok()) _exit(2);
    const absl::Status status = store_.Publish(SmallManifest(), SmallWeights()).status();
    if (status.code() != absl::StatusCode::kPermissionDenied) _exit(3);
    _exit(0);
  }
  int result = -1;
  ASSERT_EQ(waitpid(child, &result, 0), child);
  fs::permissions(store_.root(), fs::perms(0755));
  ASSERT_TRUE(WIFEXITED(result));
  EXPECT_EQ(WEXITSTATUS(result), 0) << "1: no other user; 2: not readable; 3: another status";
  EXPECT_THAT(Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace s2p
