#include "daemon/disk_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

TEST(DiskSpaceTest, IsThatOfTheFileSystem) {
  const testing::TempDir dir;
  const auto space = MeasureDiskSpace(dir.path());
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_EQ(space->size_bytes, std::filesystem::space(dir.path()).capacity);
  EXPECT_LE(space->free_bytes, space->size_bytes);
}

TEST(DiskSpaceTest, MissingFolderIsNamed) {
  const auto space = MeasureDiskSpace("/no/such/folder");
  EXPECT_EQ(space.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(space.status().message()), ::testing::HasSubstr("/no/such/folder"));
}

}  // namespace
}  // namespace s2p
