#include "server/storage/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;
using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class BlobStoreTest : public testing::Test {
 protected:
  BlobStoreTest() : store_(*BlobStore::Open(root_)) {}

  // Returns the digest.
  std::string Write(const std::string& bytes) {
    const std::string sha256 = Sha256(bytes);
    const absl::Status status = store_.Write({{sha256, bytes}});
    EXPECT_THAT(status, IsOk());
    return sha256;
  }
  std::string PathOf(const std::string& sha256) const {
    return absl::StrCat(root_, "/", sha256.substr(0, 2), "/", sha256);
  }
  static void Overwrite(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::trunc) << bytes;
  }

  test::TempDir dir_;
  const std::string root_ = dir_.File("photos");
  BlobStore store_;
};

TEST_F(BlobStoreTest, BytesComeBack) {
  const std::string bytes("a\0b", 3);
  EXPECT_EQ(*store_.Read(Write(bytes), 3), bytes);
}

TEST_F(BlobStoreTest, FileIsNamedByItsDigest) {
  const std::string sha256 = Write("abc");
  EXPECT_EQ(sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(fs::exists(dir_.File("photos/ba/" + sha256)));
}

TEST_F(BlobStoreTest, RoomIsAskedForBeforeEachFileThatIsWritten) {
  Write("abc");
  std::vector<uint64_t> asked;
  const auto room = [&asked](uint64_t bytes) {
    asked.push_back(bytes);
    return bytes < 5 ? absl::OkStatus() : absl::ResourceExhaustedError("no room");
  };
  const std::string there = Sha256("abc"), small = Sha256("1234"), large = Sha256("12345");
  EXPECT_THAT(store_.Write({{there, "abc"}, {small, "1234"}, {large, "12345"}}, room),
              StatusIs(absl::StatusCode::kResourceExhausted, "no room"));
  EXPECT_THAT(asked, ElementsAre(4, 5));
  EXPECT_TRUE(store_.Has(small, 4));
  EXPECT_FALSE(store_.Has(large, 5));
}

TEST_F(BlobStoreTest, MissingBlobIsNotFound) {
  EXPECT_THAT(store_.Read(Sha256("x"), 1), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(BlobStoreTest, FlippedByteIsDataLoss) {
  const std::string sha256 = Write("abc");
  Overwrite(PathOf(sha256), "abd");
  const absl::Status status = store_.Read(sha256, 3).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(PathOf(sha256) + ": sha256")));
}

TEST_F(BlobStoreTest, ShortAndLongFilesAreDataLoss) {
  const std::string sha256 = Write("abc");
  Overwrite(PathOf(sha256), "ab");
  EXPECT_THAT(store_.Read(sha256, 3), StatusIs(absl::StatusCode::kDataLoss));
  Overwrite(PathOf(sha256), "abcd");
  EXPECT_THAT(store_.Read(sha256, 3), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(BlobStoreTest, WritingAgainReplacesADamagedBlob) {
  const std::string sha256 = Write("abc");
  Overwrite(PathOf(sha256), "xyz");
  Write("abc");
  EXPECT_EQ(*store_.Read(sha256, 3), "abc");
}

TEST_F(BlobStoreTest, WritingAgainLeavesAWholeBlobAlone) {
  const std::string path = PathOf(Write("abc"));
  fs::permissions(path, fs::perms::owner_read);
  Write("abc");
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read);
}

TEST_F(BlobStoreTest, RemovedBlobIsGoneAndMayBeRemovedAgain) {
  const std::string sha256 = Write("abc");
  EXPECT_THAT(store_.Remove(sha256), IsOk());
  EXPECT_THAT(store_.Read(sha256, 3), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(store_.Remove(sha256), IsOk());
}

TEST_F(BlobStoreTest, SurveyTellsOrphansAndHalfWrittenFilesAndChangesNothing) {
  const std::string kept = Write("kept");
  const std::string orphan = Write("orphan");
  const std::string half = PathOf(kept) + ".tmp";
  Overwrite(half, "ke");
  const auto survey = store_.Survey([&](const std::string& sha256) { return sha256 == kept; });
  ASSERT_THAT(survey, IsOk());
  EXPECT_EQ(survey->referenced, 1);
  EXPECT_THAT(survey->orphans, ElementsAre(orphan));
  EXPECT_THAT(survey->half_written, ElementsAre(half));
  EXPECT_TRUE(fs::exists(PathOf(orphan)) && fs::exists(half));
}

TEST_F(BlobStoreTest, FilesOfOthersAreInNoSurvey) {
  const std::string sha256 = Sha256("abc");
  for (const char* folder : {"photos/00", "photos/.orphans/2026-01-01/ba", "photos/mine"}) {
    fs::create_directories(dir_.File(folder));
    Overwrite(dir_.File(folder) + "/" + sha256, "abc");
  }
  Overwrite(dir_.File("photos/README"), "not ours");
  Overwrite(dir_.File("photos/aa"), "a file with the name of a folder");
  const auto survey = store_.Survey([](const std::string&) { return false; });
  ASSERT_THAT(survey, IsOk());
  EXPECT_THAT(survey->orphans, IsEmpty());
  EXPECT_FALSE(*store_.HasAny());
}

TEST_F(BlobStoreTest, StoreHasAnyFromTheFirstBlobOn) {
  EXPECT_FALSE(*store_.HasAny());
  const std::string sha256 = Write("abc");
  EXPECT_TRUE(*store_.HasAny());
  EXPECT_TRUE(store_.Has(sha256, 3));
  EXPECT_FALSE(store_.Has(sha256, 4));
  EXPECT_FALSE(store_.Has(Sha256("x"), 1));
}

TEST_F(BlobStoreTest, SurveyStopsWhenItCannotKnow) {
  Write("abc");
  const auto survey = store_.Survey(
      [](const std::string&) -> absl::StatusOr<bool> { return absl::InternalError("no idea"); });
  EXPECT_EQ(survey.status().message(), "no idea");
}

}  // namespace
}  // namespace s2p
