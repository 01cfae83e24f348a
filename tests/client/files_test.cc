#include "client/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

TEST(FilesTest, FileThatIsNotAnImageFileIsNamed) {
  test::TempDir dir;
  const std::string empty = dir.path() + "/empty.png", large = dir.path() + "/large.png";
  ASSERT_THAT(WriteFile(empty, ""), IsOk());
  ASSERT_THAT(WriteFile(large, "123456"), IsOk());
  EXPECT_THAT(ReadImageFile(dir.path() + "/none.png"), StatusIs(absl::StatusCode::kNotFound));
  for (const std::string& path : {empty, large, dir.path()}) {
    const auto bytes = ReadImageFile(path, /*max_bytes=*/5);
    EXPECT_THAT(bytes, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(path)));
  }
}

TEST(FilesTest, WrittenFileReadsBack) {
  test::TempDir dir;
  const std::string path = dir.path() + "/x";
  ASSERT_THAT(WriteFile(path, std::string("a\0b", 3)), IsOk());
  EXPECT_EQ(*ReadImageFile(path), std::string("a\0b", 3));
}

TEST(FilesTest, FileThatCannotBeWrittenIsNamed) {
  const absl::Status status = WriteFile("/nowhere/x.png", "a");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nowhere/x.png")));
}

}  // namespace
}  // namespace s2p
