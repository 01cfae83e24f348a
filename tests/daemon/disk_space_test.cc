#include "daemon/disk_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
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

TEST(MinFreeTest, LesserOfShareAndSizeCounts) {
  const auto min_free = ParseMinFree("5%,1GiB");
  ASSERT_THAT(min_free, IsOk());
  const DiskReserve reserve(*min_free, nullptr);
  EXPECT_EQ(reserve.BytesOf({0, 10'000}), 500u);
  EXPECT_EQ(reserve.BytesOf({0, uint64_t{1} << 40}), uint64_t{1} << 30);
}

TEST(MinFreeTest, DefaultIsFivePercentOrOneGibibyte) {
  const DiskReserve written(*ParseMinFree("5%,1GiB"), nullptr), left_out(MinFree(), nullptr);
  for (const uint64_t size : {uint64_t{10'000}, uint64_t{1} << 40}) {
    EXPECT_EQ(written.BytesOf({0, size}), left_out.BytesOf({0, size}));
  }
}

TEST(MinFreeTest, OneOfBothIsEnough) {
  EXPECT_EQ(DiskReserve(*ParseMinFree("10%"), nullptr).BytesOf({0, 1000}), 100u);
  EXPECT_EQ(DiskReserve(*ParseMinFree("300"), nullptr).BytesOf({0, 1000}), 300u);
  EXPECT_EQ(DiskReserve(*ParseMinFree("0"), nullptr).BytesOf({0, 1000}), 0u);
}

TEST(MinFreeTest, OtherTextsAreNamed) {
  for (const char* text : {"", "x", "101%", "-1%", "5%,", "1,2,3", "nan%"}) {
    EXPECT_THAT(ParseMinFree(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::HasSubstr(absl::StrCat("'", text, "' is not a size"))))
        << text;
  }
}

class DiskReserveTest : public testing::Test {
 protected:
  absl::StatusOr<DiskSpace> disk_ = DiskSpace{100, 10'000};
  const DiskReserve reserve_{{100, 1}, [this] { return disk_; }};
};

TEST_F(DiskReserveTest, RoomForTheReserveIsEnough) { EXPECT_THAT(reserve_.Check(0), IsOk()); }

TEST_F(DiskReserveTest, WriteThatLeavesLessIsRefusedWithTheFlag) {
  EXPECT_THAT(reserve_.Check(1),
              StatusIs(absl::StatusCode::kResourceExhausted, testing::HasSubstr("--min-free")));
}

TEST_F(DiskReserveTest, UnknownSpaceIsTakenAsEnough) {
  disk_ = absl::NotFoundError("no disk");
  EXPECT_THAT(reserve_.Check(1), IsOk());
}

}  // namespace
}  // namespace s2p
