#include "trainer/program/shell_word.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

TEST(ShellWordTest, PlainPathStaysAsItIs) {
  for (const char* path :
       {"/data/shop-1/photos_2026.d", "../a+b,c@d:e=f%", "B\xc3\xbcro/St\xc3\xbchle"}) {
    EXPECT_EQ(ShellWord(path), path);
  }
}

TEST(ShellWordTest, BlanksAndSignsOfAShellAreQuoted) {
  EXPECT_EQ(ShellWord("my shop"), "'my shop'");
  EXPECT_EQ(ShellWord("$HOME/*;rm"), "'$HOME/*;rm'");
  EXPECT_EQ(ShellWord("~/shop"), "'~/shop'");
  EXPECT_EQ(ShellWord(""), "''");
}

TEST(ShellWordTest, QuoteIsQuoted) { EXPECT_EQ(ShellWord("Anna's"), "'Anna'\\''s'"); }

}  // namespace
}  // namespace s2p
