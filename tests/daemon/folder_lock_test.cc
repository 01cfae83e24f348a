#include "daemon/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using ::testing::HasSubstr;

TEST(FolderLockTest, MissingFolderIsCreated) {
  testing::TempDir dir;
  EXPECT_TRUE(FolderLock::Acquire(dir.File("a/b")).ok());
}

TEST(FolderLockTest, SecondLockNamesFolderAndProcess) {
  testing::TempDir dir;
  const auto first = FolderLock::Acquire(dir.path());
  ASSERT_TRUE(first.ok());
  const absl::Status status = FolderLock::Acquire(dir.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(),
              HasSubstr(absl::StrCat(dir.path(), ": in use by process ", getpid(), ";")));
}

TEST(FolderLockTest, FolderIsFreeAgainAfterwards) {
  testing::TempDir dir;
  { ASSERT_TRUE(FolderLock::Acquire(dir.path()).ok()); }
  EXPECT_TRUE(FolderLock::Acquire(dir.path()).ok());
}

TEST(FolderLockTest, FileInPlaceOfTheFolderIsAnError) {
  testing::TempDir dir;
  const auto lock = FolderLock::Acquire(dir.path());
  const absl::Status status = FolderLock::Acquire(dir.File("lock/data")).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(dir.File("lock/data")));
}

}  // namespace
}  // namespace s2p
