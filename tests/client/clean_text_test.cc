#include "client/clean_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(CleanTextTest, NamesSpecialToAShellOrUrlAreClean) {
  for (const char* text : {"it's \"it\"", "a#1%20?b&c", "-f", " a ", "\xF0\x9F\x91\x9F",
                           "e\xCC\x81t\xC3\xA9", "..", "\xC2\xA0"}) {
    EXPECT_THAT(CheckText(text, "x"), IsOk()) << text;
  }
}

TEST(CleanTextTest, BytesThatAreNotUtf8AreShownEscapedUnderTheirName) {
  const absl::Status status = CheckText("caf\xE9.jpg", "--filter");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "--filter: \"caf\\xe9.jpg\" is not UTF-8 text"));
}

TEST(CleanTextTest, TruncatedOverlongAndSurrogateSequencesAreNotUtf8) {
  for (const char* text : {"a\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                           "\xF0\x9F\x91", "\x80"}) {
    EXPECT_THAT(std::string(CheckText(text, "x").message()), HasSubstr("is not UTF-8")) << text;
  }
}

TEST(CleanTextTest, ControlCharacterIsRefused) {
  for (const char* text : {"a\nb", "\t", "\x1B[2J", "\x7F", "\xC2\x85"}) {
    EXPECT_THAT(std::string(CheckText(text, "x").message()), HasSubstr("has a control character"));
  }
  EXPECT_FALSE(CheckText(absl::string_view("a\0b", 3), "x").ok());
}

TEST(CleanTextTest, IdHasOneTo256Bytes) {
  EXPECT_THAT(CheckPhotoId(std::string(256, 'a'), "ID"), IsOk());
  for (size_t size : {size_t{0}, size_t{257}}) {
    const absl::Status status = CheckPhotoId(std::string(size, 'a'), "ID");
    EXPECT_THAT(std::string(status.message()),
                AllOf(StartsWith("ID: "), HasSubstr("1 to 256"), HasSubstr(std::to_string(size))));
  }
}

}  // namespace
}  // namespace s2p
