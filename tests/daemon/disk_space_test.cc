#include "daemon/disk_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;

TEST(DiskSpaceTest, IsThatOfTheFileSystem) {
  const test::TempDir dir;
  const auto space = MeasureDiskSpace(dir.path());
  ASSERT_THAT(space, IsOk());
  EXPECT_EQ(space->size_bytes, std::filesystem::space(dir.path()).capacity);
  EXPECT_LE(space->free_bytes, space->size_bytes);
}

TEST(DiskSpaceTest, MissingFolderIsNamed) {
  const auto space = MeasureDiskSpace("/no/such/folder");
  EXPECT_THAT(space, StatusIs(absl::StatusCode::kNotFound, testing::HasSubstr("/no/such/folder")));
}

}  // namespace
}  // namespace s2p
