#include "daemon/folder_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

TEST(FolderLockTest, MissingFolderIsCreated) {
  test::TempDir dir;
  EXPECT_THAT(FolderLock::Acquire(dir.File("a/b")), IsOk());
}

TEST(FolderLockTest, SecondLockNamesFolderAndProcess) {
  test::TempDir dir;
  const auto first = FolderLock::Acquire(dir.path());
  ASSERT_THAT(first, IsOk());
  const absl::Status status = FolderLock::Acquire(dir.path()).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(absl::StrCat(dir.path(), ": in use by process ", getpid(), ";"))));
}

TEST(FolderLockTest, FolderIsFreeAgainAfterwards) {
  test::TempDir dir;
  { ASSERT_THAT(FolderLock::Acquire(dir.path()), IsOk()); }
  EXPECT_THAT(FolderLock::Acquire(dir.path()), IsOk());
}

TEST(FolderLockTest, FileInPlaceOfTheFolderIsAnError) {
  test::TempDir dir;
  const auto lock = FolderLock::Acquire(dir.path());
  const absl::Status status = FolderLock::Acquire(dir.File("lock/data")).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(status.message(), HasSubstr(dir.File("lock/data")));
}

}  // namespace
}  // namespace s2p
