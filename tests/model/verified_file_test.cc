#include "model/verified_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class VerifiedFileTest : public testing::Test {
 protected:
  void Write(const std::string& bytes) { std::ofstream(path_, std::ios::binary) << bytes; }
  absl::StatusOr<VerifiedFile> Open() const {
    return VerifiedFile::Open(path_, Sha256(kBytes), kBytes.size());
  }
  // Pieces of at most three bytes, joined; or the error that came instead.
  absl::StatusOr<std::string> Pieces() const {
    auto file = Open();
    if (!file.ok()) return file.status();
    std::string joined;
    while (file->bytes_left() > 0) {
      const auto piece = file->Next(3);
      if (!piece.ok()) return piece.status();
      joined += *piece;
    }
    return joined;
  }

  const std::string kBytes = "ten bytes!";
  TempDir dir_;
  const std::string path_ = dir_.File("file");
};

TEST_F(VerifiedFileTest, PiecesAreTheFile) {
  Write(kBytes);
  EXPECT_EQ(Pieces().value(), kBytes);
}

TEST_F(VerifiedFileTest, DamageIsFoundWithTheLastPiece) {
  Write("Ten bytes!");
  auto file = Open();
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->Next(9).value(), "Ten bytes");
  EXPECT_THAT(file->Next(9), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("sha256")));
}

TEST_F(VerifiedFileTest, OtherSizeIsFoundBeforeAnythingIsRead) {
  Write(kBytes + "!");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("11 bytes instead of 10")));
}

TEST_F(VerifiedFileTest, FileThatBecomesShorterIsDataLoss) {
  Write(kBytes);
  auto file = Open();
  ASSERT_THAT(file, IsOk());
  std::filesystem::resize_file(path_, 5);
  EXPECT_THAT(file->Next(10), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(VerifiedFileTest, FileThatIsRemovedMeanwhileIsStillRead) {
  Write(kBytes);
  auto file = Open();
  ASSERT_THAT(file, IsOk());
  std::filesystem::remove(path_);
  EXPECT_EQ(file->Next(10).value(), kBytes);
}

TEST_F(VerifiedFileTest, MissingFileIsNotFound) {
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p::test
