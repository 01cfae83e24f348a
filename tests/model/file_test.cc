#include "model/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& bytes) {
    const std::string path = dir_.File(name);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  test::TempDir dir_;
};

TEST_F(FileTest, PiecesAreWrittenOneAfterTheOther) {
  const std::string nul("\0", 1);
  ASSERT_THAT(WriteFileSynced(dir_.File("a"), {"one", "", nul, "two"}), IsOk());
  const auto bytes = ReadWholeFile(dir_.File("a"), 100);
  ASSERT_THAT(bytes, IsOk());
  EXPECT_EQ(*bytes, "one" + nul + "two");
}

TEST_F(FileTest, WritingReplacesALongerFile) {
  const std::string path = Write("a", "something long");
  ASSERT_THAT(WriteFileSynced(path, {"short"}), IsOk());
  EXPECT_EQ(ReadWholeFile(path, 100).value(), "short");
}

TEST_F(FileTest, AnEmptyFileIsRead) { EXPECT_EQ(ReadWholeFile(Write("a", ""), 0).value(), ""); }

TEST_F(FileTest, AFileAtTheLimitIsReadAndOneByteMoreIsNot) {
  const std::string path = Write("a", "12345");
  EXPECT_EQ(ReadWholeFile(path, 5).value(), "12345");
  const absl::Status status = ReadWholeFile(path, 4).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("above the limit of 4")));
}

TEST_F(FileTest, MissingFileIsNotFoundAndNamed) {
  const absl::Status status = ReadWholeFile(dir_.File("nowhere"), 100).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.File("nowhere"))));
}

TEST_F(FileTest, FolderIsNotAFile) {
  const absl::Status status = InputFile::Open(dir_.path()).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not a regular file")));
}

TEST_F(FileTest, PipeIsRefusedWithoutWaitingForItsWriter) {
  ASSERT_EQ(mkfifo(dir_.File("pipe").c_str(), 0600), 0);
  EXPECT_THAT(InputFile::Open(dir_.File("pipe")), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(FileTest, FileThatShrinksWhileReadIsDataLoss) {
  const std::string path = Write("a", "0123456789");
  auto file = InputFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->size_bytes(), 10u);
  Write("a", "0123");
  char bytes[10];
  const absl::Status status = file->Read(bytes, sizeof(bytes));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ends early")));
}

TEST_F(FileTest, AMovedFileCanStillBeRead) {
  auto file = InputFile::Open(Write("a", "abcd"));
  ASSERT_THAT(file, IsOk());
  char bytes[2];
  ASSERT_THAT(file->Read(bytes, 2), IsOk());
  InputFile moved = *std::move(file);
  ASSERT_THAT(moved.Read(bytes, 2), IsOk());
  EXPECT_EQ(std::string(bytes, 2), "cd");
}

TEST_F(FileTest, WritingInAMissingFolderIsNotFound) {
  const absl::Status status = WriteFileSynced(dir_.File("no/where"), {"a"});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("no/where: create")));
}

// /dev/full fails each write as a full disk does.
TEST(FullDiskTest, WritingIsResourceExhausted) {
  const absl::Status status = WriteFileSynced("/dev/full", {"some bytes"});
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("/dev/full: write")));
}

TEST_F(FileTest, OnlyFoldersAreSynced) {
  EXPECT_THAT(SyncDirectory(dir_.path()), IsOk());
  EXPECT_FALSE(SyncDirectory(Write("a", "")).ok());
  EXPECT_THAT(SyncDirectory(dir_.File("b")), StatusIs(absl::StatusCode::kNotFound));
}

TEST(FileErrorTest, CodesAreThoseThatACallerActsOn) {
  EXPECT_THAT(FileError(ENOENT, "p", "open"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(FileError(EACCES, "p", "open"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(FileError(EROFS, "p", "open"), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(FileError(ENOSPC, "p", "open"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(FileError(EDQUOT, "p", "open"), StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace s2p
