#include "daemon/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(TomlTest, EntryHasTableKeyValueAndLine) {
  auto entries = ParseToml("a = 1\n\n[serve]  # a comment\nb-c = \"x # y\"\n", "f");
  ASSERT_THAT(entries, IsOk());
  ASSERT_EQ(entries->size(), 2U);
  EXPECT_EQ((*entries)[0].table, "");
  EXPECT_EQ((*entries)[0].line, 1);
  EXPECT_EQ((*entries)[1].table, "serve");
  EXPECT_EQ((*entries)[1].key, "b-c");
  EXPECT_THAT((*entries)[1].values, ElementsAre("x # y"));
  EXPECT_EQ((*entries)[1].line, 4);
}

TEST(TomlTest, ArrayMaySpanLines) {
  auto entries = ParseToml("a = [\n  'x', # first\n  'y,z',\n]\nb = []\n", "f");
  ASSERT_THAT(entries, IsOk());
  EXPECT_TRUE((*entries)[0].is_array);
  EXPECT_THAT((*entries)[0].values, ElementsAre("x", "y,z"));
  EXPECT_TRUE((*entries)[1].values.empty());
  EXPECT_EQ((*entries)[1].line, 5);
}

TEST(TomlTest, OnlyDoubleQuotesKnowEscapes) {
  auto entries = ParseToml("a = \"x\\n\\\"y\\\\\"\nb = '\\n'\n", "f");
  ASSERT_THAT(entries, IsOk());
  EXPECT_THAT((*entries)[0].values, ElementsAre("x\n\"y\\"));
  EXPECT_THAT((*entries)[1].values, ElementsAre("\\n"));
}

TEST(TomlTest, NumbersAndBooleansStayText) {
  auto entries = ParseToml("a = 1_000\nb = -1.5e3\nc = false", "f");
  ASSERT_THAT(entries, IsOk());
  EXPECT_THAT((*entries)[0].values, ElementsAre("1000"));
  EXPECT_THAT((*entries)[1].values, ElementsAre("-1.5e3"));
  EXPECT_THAT((*entries)[2].values, ElementsAre("false"));
}

struct Bad {
  const char* text;
  const char* message;
};

class BadTomlTest : public testing::TestWithParam<Bad> {};

TEST_P(BadTomlTest, IsRefusedWithFileAndLine) {
  absl::Status status = ParseToml(GetParam().text, "f.toml").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().message)));
}

INSTANTIATE_TEST_SUITE_P(Texts, BadTomlTest,
                         testing::Values(Bad{"a 1", "f.toml:1: expected '=' after 'a'"},
                                         Bad{"\n= 1", "f.toml:2: expected key = value"},
                                         Bad{"a = ", "f.toml:1: expected a number"},
                                         Bad{"a = yes", "found yes"},
                                         Bad{"a = 'x", "f.toml:1: text without closing"},
                                         Bad{"a = 'x\n'", "f.toml:1: text without closing"},
                                         Bad{"a = \"\\q\"", "unknown escape"},
                                         Bad{"a = 1 2", "f.toml:1: unexpected text"},
                                         Bad{"a = ['x' 'y']", "expected ',' or ']'"},
                                         Bad{"a = ['x'", "expected ',' or ']'"},
                                         Bad{"a = 1\na = 2", "f.toml:2: key 'a' is given twice"},
                                         Bad{"[t]\n[t]", "f.toml:2: table [t] is given twice"},
                                         Bad{"[t", "expected a table"},
                                         Bad{"[[t]]", "arrays of tables"}));

}  // namespace
}  // namespace s2p
