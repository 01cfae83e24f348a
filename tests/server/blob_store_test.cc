#include "server/blob_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "model/checkpoint.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BlobStoreTest : public ::testing::Test {
 protected:
  BlobStoreTest() : store_(*BlobStore::Open(root_)) {}

  // Returns the digest.
  std::string Write(const std::string& bytes) {
    const std::string sha256 = Sha256(bytes);
    const absl::Status status = store_.Write({{sha256, bytes}});
    EXPECT_TRUE(status.ok()) << status;
    return sha256;
  }
  std::string PathOf(const std::string& sha256) const {
    return absl::StrCat(root_, "/", sha256.substr(0, 2), "/", sha256);
  }
  static void Overwrite(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::trunc) << bytes;
  }

  testing::TempDir dir_;
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

TEST_F(BlobStoreTest, MissingBlobIsNotFound) {
  EXPECT_EQ(store_.Read(Sha256("x"), 1).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(BlobStoreTest, FlippedByteIsDataLoss) {
  const std::string sha256 = Write("abc");
  Overwrite(PathOf(sha256), "abd");
  const absl::Status status = store_.Read(sha256, 3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr(PathOf(sha256) + ": sha256"));
}

TEST_F(BlobStoreTest, ShortAndLongFilesAreDataLoss) {
  const std::string sha256 = Write("abc");
  Overwrite(PathOf(sha256), "ab");
  EXPECT_EQ(store_.Read(sha256, 3).status().code(), absl::StatusCode::kDataLoss);
  Overwrite(PathOf(sha256), "abcd");
  EXPECT_EQ(store_.Read(sha256, 3).status().code(), absl::StatusCode::kDataLoss);
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
  EXPECT_TRUE(store_.Remove(sha256).ok());
  EXPECT_EQ(store_.Read(sha256, 3).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_.Remove(sha256).ok());
}

TEST_F(BlobStoreTest, SweepRemovesOrphansAndHalfWrittenFilesOnly) {
  const std::string kept = Write("kept");
  const std::string orphan = Write("orphan");
  const std::string half = PathOf(kept) + ".tmp";
  Overwrite(half, "ke");
  const std::string foreign = dir_.File("photos/README");
  Overwrite(foreign, "not ours");
  const auto swept = store_.Sweep([&](const std::string& sha256) { return sha256 == kept; });
  EXPECT_EQ(*swept, 2);
  EXPECT_TRUE(fs::exists(PathOf(kept)));
  EXPECT_FALSE(fs::exists(PathOf(orphan)));
  EXPECT_FALSE(fs::exists(half));
  EXPECT_TRUE(fs::exists(foreign));
}

TEST_F(BlobStoreTest, SweepStopsWhenItCannotKnow) {
  const std::string sha256 = Write("abc");
  const auto swept = store_.Sweep(
      [](const std::string&) -> absl::StatusOr<bool> { return absl::InternalError("no idea"); });
  EXPECT_EQ(swept.status().message(), "no idea");
  EXPECT_TRUE(fs::exists(PathOf(sha256)));
}

}  // namespace
}  // namespace s2p
