#include "client/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

TEST(ArgumentsTest, PairSplitsAtTheFirstEqualsSign) {
  const auto pair = ParsePair("url=a=b", "--metadata");
  ASSERT_THAT(pair, IsOk());
  EXPECT_EQ(pair->first, "url");
  EXPECT_EQ(pair->second, "a=b");
}

TEST(ArgumentsTest, PairWithoutKeyNamesTheFlag) {
  for (const char* text : {"", "=x", "x"}) {
    const auto pair = ParsePair(text, "--filter");
    EXPECT_THAT(pair, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--filter"))) << text;
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
  ASSERT_THAT(range, IsOk());
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
    EXPECT_THAT(ParseAttributeRange(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(ArgumentsTest, ColorNeedsNoHash) {
  EXPECT_EQ(ParseColor("#C0392b", "--color")->rgb(), "#C0392b");
  EXPECT_EQ(ParseColor("c0392b", "--color")->rgb(), "#c0392b");
}

TEST(ArgumentsTest, BadColorNamesTheFlag) {
  for (const char* text : {"", "#", "red", "##c0392", "c0392b0", "#c0392g"}) {
    EXPECT_THAT(ParseColor(text, "--color"),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(": expected six hex digits, as in '#c0392b' or c0392b")))
        << text;
  }
  EXPECT_EQ(ParseColor("caf\xE9", "--color").status().message(),
            "--color: \"caf\\xe9\" is not UTF-8 text");
}

}  // namespace
}  // namespace s2p
