#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace s2p {
namespace {

TEST(Utf8Test, CharacterHasItsCodeAndLength) {
  EXPECT_EQ(FirstCharacter("a").code, U'a');
  EXPECT_EQ(FirstCharacter("\xC3\xA9t").code, 0xE9U);
  EXPECT_EQ(FirstCharacter("\xE9\x9E\x8B").code, 0x978BU);
  EXPECT_EQ(FirstCharacter("\xF0\x9F\x91\x9F").code, 0x1F45FU);
  EXPECT_EQ(FirstCharacter("\xF0\x9F\x91\x9F").bytes, 4U);
}

TEST(Utf8Test, TruncatedOverlongAndSurrogateSequencesAreNotCharacters) {
  for (const char* text : {"\xC3", "\xC0\xAF", "\xC1\x81", "\xE0\x80\xAF", "\xED\xA0\x80",
                           "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
                           "\xF0\x9F\x91", "\x80", "\xFF", "\xC3(", "\xE9\x9E("}) {
    EXPECT_EQ(FirstCharacter(text).bytes, 0U) << text;
    EXPECT_FALSE(IsUtf8(text)) << text;
  }
}

TEST(Utf8Test, ValidLengthEndsBeforeTheFirstInvalidByte) {
  EXPECT_EQ(ValidUtf8Length("caf\xC3\xA9"), 5U);
  EXPECT_EQ(ValidUtf8Length("caf\xE9.jpg"), 3U);
  EXPECT_EQ(ValidUtf8Length(""), 0U);
}

TEST(Utf8Test, ControlCharactersAreThoseOfBothSets) {
  for (const char* text : {"a\nb", "\t", "\x1B[2J", "\x7F", "\xC2\x80", "\xC2\x9F"}) {
    EXPECT_TRUE(HasControlCharacter(text)) << text;
  }
  EXPECT_TRUE(HasControlCharacter(std::string(1, '\0')));
  EXPECT_FALSE(HasControlCharacter("caf\xC3\xA9 \xC2\xA0"));
}

TEST(PrintableTest, CharactersThatSteerATerminalAreEscaped) {
  EXPECT_EQ(Printable("a\033[2Jb\n\r\t"), "a\\x1b[2Jb\\n\\r\\t");
  EXPECT_EQ(Printable("\xC2\x9B"
                      "31m"),
            "\\u009b31m");
  EXPECT_EQ(Printable("gpj.\xE2\x80\xAE"
                      "exe"),
            "gpj.\\u202eexe");
}

TEST(PrintableTest, PrintableCharactersAreShown) {
  for (const char* text : {"caf\xC3\xA9", "\xF0\x9F\x91\x9F", "\xE9\x9E\x8B", "C:\\new\\x1b"}) {
    EXPECT_EQ(Printable(text), text);
  }
}

TEST(PrintableTest, BytesThatAreNotUtf8AreShownOneByOne) {
  EXPECT_EQ(Printable("caf\xE9s \xFF\xC3"), "caf\\xe9s \\xff\\xc3");
}

}  // namespace
}  // namespace s2p
