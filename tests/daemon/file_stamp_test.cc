#include "daemon/file_stamp.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

class FileStampTest : public testing::Test {
 protected:
  FileStampTest() { std::ofstream(path_) << "one"; }
  TempDir dir_;
  const std::string path_ = dir_.File("file");
};

TEST_F(FileStampTest, UnchangedFileHasTheSameStamp) {
  EXPECT_TRUE(StampOf(path_) == StampOf(path_));
}

TEST_F(FileStampTest, MissingFileHasNone) {
  EXPECT_TRUE(StampOf(dir_.File("none")) == FileStamp());
  EXPECT_FALSE(StampOf(path_) == FileStamp());
}

TEST_F(FileStampTest, FileReplacedByOneOfTheSameSizeDiffers) {
  const FileStamp before = StampOf(path_);
  std::ofstream(dir_.File("new")) << "two";
  ASSERT_EQ(std::rename(dir_.File("new").c_str(), path_.c_str()), 0);
  EXPECT_FALSE(StampOf(path_) == before);
}

TEST_F(FileStampTest, FileOverwrittenWithItsTimeSetBackDiffers) {
  const FileStamp before = StampOf(path_);
  const auto time = std::filesystem::last_write_time(path_);
  // The file system's clock ticks every few milliseconds.
  do {
    std::ofstream(path_) << "two";
    std::filesystem::last_write_time(path_, time);
  } while (StampOf(path_).changed_nanoseconds == before.changed_nanoseconds);
  EXPECT_EQ(StampOf(path_).modified_nanoseconds, before.modified_nanoseconds);
  EXPECT_FALSE(StampOf(path_) == before);
}

TEST_F(FileStampTest, LinkTurnedToAnotherFileDiffers) {
  std::ofstream(dir_.File("other")) << "two";
  const std::string link = dir_.File("link");
  ASSERT_EQ(symlink(path_.c_str(), link.c_str()), 0);
  const FileStamp before = StampOf(link);
  ASSERT_EQ(unlink(link.c_str()), 0);
  ASSERT_EQ(symlink(dir_.File("other").c_str(), link.c_str()), 0);
  EXPECT_FALSE(StampOf(link) == before);
}

}  // namespace
}  // namespace s2p::test
