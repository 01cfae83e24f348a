#include "client/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using ::testing::HasSubstr;

TEST(ArgumentsTest, PairSplitsAtTheFirstEqualsSign) {
  const auto pair = ParsePair("url=a=b", "--metadata");
  ASSERT_TRUE(pair.ok());
  EXPECT_EQ(pair->first, "url");
  EXPECT_EQ(pair->second, "a=b");
}

TEST(ArgumentsTest, PairWithoutKeyNamesTheFlag) {
  for (const char* text : {"", "=x", "x"}) {
    const auto pair = ParsePair(text, "--filter");
    EXPECT_EQ(pair.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(pair.status().message()), HasSubstr("--filter"));
  }
}

TEST(ArgumentsTest, TextThatIsNotUtf8NamesTheFlag) {
  EXPECT_EQ(ParsePair("caf\xE9=x", "--filter").status().message(),
            "--filter: \"caf\\xe9=x\" is not UTF-8 text");
  EXPECT_EQ(ParsePair("shop=a\tb", "--metadata").status().message(),
            "--metadata: \"shop=a\\tb\" has a control character");
  EXPECT_EQ(ParseAttributeRange("caf\xE9:0..1").status().message(),
            "--attribute: \"caf\\xe9:0..1\" is not UTF-8 text");
}

TEST(ArgumentsTest, AttributeRangeHasBothBounds) {
  const auto range = ParseAttributeRange("high:heel:0.25..0.5");
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->name(), "high:heel");
  EXPECT_FLOAT_EQ(range->min(), 0.25F);
  EXPECT_FLOAT_EQ(range->max(), 0.5F);
}

TEST(ArgumentsTest, AttributeRangeMayBeOpen) {
  EXPECT_FALSE(ParseAttributeRange("boots:0.5..")->has_max());
  EXPECT_FALSE(ParseAttributeRange("boots:..0.5")->has_min());
}

TEST(ArgumentsTest, BadAttributeRangeIsRefused) {
  for (const char* text : {"boots", "boots:0.5", ":0..1", "boots:a..1", "boots:0..nan"}) {
    EXPECT_EQ(ParseAttributeRange(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ArgumentsTest, FileThatIsNoImageFileIsNamed) {
  testing::TempDir dir;
  const std::string empty = dir.path() + "/empty.png", large = dir.path() + "/large.png";
  ASSERT_TRUE(WriteFile(empty, "").ok());
  ASSERT_TRUE(WriteFile(large, "123456").ok());
  EXPECT_EQ(ReadImageFile(dir.path() + "/none.png").status().code(), absl::StatusCode::kNotFound);
  for (const std::string& path : {empty, large, dir.path()}) {
    const auto bytes = ReadImageFile(path, /*max_bytes=*/5);
    EXPECT_EQ(bytes.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(bytes.status().message()), HasSubstr(path));
  }
}

TEST(ArgumentsTest, WrittenFileReadsBack) {
  testing::TempDir dir;
  const std::string path = dir.path() + "/x";
  ASSERT_TRUE(WriteFile(path, std::string("a\0b", 3)).ok());
  EXPECT_EQ(*ReadImageFile(path), std::string("a\0b", 3));
}

TEST(ArgumentsTest, FileThatCannotBeWrittenIsNamed) {
  const absl::Status status = WriteFile("/nowhere/x.png", "a");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nowhere/x.png"));
}

}  // namespace
}  // namespace s2p
