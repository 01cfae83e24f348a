#include "trainer/import/canonical_name.h"

#include <gtest/gtest.h>

#include <iterator>
#include <set>
#include <string>
#include <utility>

namespace s2p::test {
namespace {

TEST(CanonicalNameTest, EncodingsOfOneNameAreOneName) {
  const std::pair<const char*, const char*> same[] = {
      {"\xc3\x89t\xc3\xa9", "E\xcc\x81te\xcc\x81"},              // Été
      {"\xe3\x83\x80", "\xe3\x82\xbf\xe3\x82\x99"},              // ダ
      {"\xed\x95\x99", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xa8"},  // 학
      {"\xe1\xba\xa5", "a\xcc\x82\xcc\x81"}};                    // ấ
  for (const auto& [composed, taken_apart] : same) {
    EXPECT_EQ(CanonicalName(taken_apart), composed);
    EXPECT_EQ(CanonicalName(composed), composed);
  }
}

TEST(CanonicalNameTest, CaseAndAccentsAreADifference) {
  EXPECT_NE(CanonicalName("Boot"), CanonicalName("boot"));
  EXPECT_NE(CanonicalName("cafe"), CanonicalName("cafe\xcc\x81"));
}

TEST(CanonicalNameTest, NameThatIsNotUtf8StaysAsItIs) {
  EXPECT_EQ(CanonicalName("caf\xe9"), "caf\xe9");
  EXPECT_EQ(CanonicalName(""), "");
}

TEST(LookOfTest, CaseAccentsAndTheirEncodingAreNoDifference) {
  const std::pair<const char*, const char*> same[] = {
      {"Boot_1", "boot_1"},
      {"\xc3\x89t\xc3\xa9", "e\xcc\x81te\xcc\x81"},               // Été
      {"\xd0\x99", "\xd0\xb8\xcc\x86"},                           // Й
      {"\xe3\x83\x80", "\xe3\x82\xbf\xe3\x82\x99"},               // ダ
      {"\xe3\x81\xb1", "\xe3\x81\xaf\xe3\x82\x9a"},               // ぱ
      {"\xed\x95\x99", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xa8"}};  // 학
  for (const auto& [one, other] : same) EXPECT_EQ(LookOf(one), LookOf(other)) << one;
}

TEST(LookOfTest, OtherLettersAreADifference) {
  const char* const names[] = {"boot",     "b00t",         "boot_",
                               "\xc3\x9f", "\xe3\x82\xbf", "\xe3\x81\x9f",
                               "\xd0\xb8", "\xed\x95\x99", "\xf0\x9f\x91\x9f"};
  std::set<std::string> looks;
  for (const char* name : names) looks.insert(LookOf(name));
  EXPECT_EQ(looks.size(), std::size(names));
}

}  // namespace
}  // namespace s2p::test
