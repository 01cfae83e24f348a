#include "base/flag_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s2p {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

FlagKind KindOf(absl::string_view word) {
  if (word == "--server" || word == "--trainer" || word == "-k") return FlagKind::kTakesValue;
  return word == "--json" || word == "--version" ? FlagKind::kSwitch : FlagKind::kUnknown;
}

std::string Slip(const std::vector<std::string>& words) { return MisplacedFlag(words, KindOf); }

TEST(FlagWordsTest, ForgottenValueNamesBothFlags) {
  EXPECT_THAT(Slip({"--server", "--trainer", "a:1"}),
              AllOf(StartsWith("--server has no value"), HasSubstr("--trainer")));
  EXPECT_THAT(Slip({"-k", "--json"}), StartsWith("-k has no value: --json"));
  EXPECT_THAT(Slip({"--server", "--trainer=a:1"}), StartsWith("--server has no value"));
  EXPECT_THAT(Slip({"--server", "-trainer"}), StartsWith("--server has no value"));
}

TEST(FlagWordsTest, UnknownFlagIsNotAValueEither) {
  EXPECT_THAT(Slip({"--server", "--trainr", "a:1"}), StartsWith("--server has no value"));
}

TEST(FlagWordsTest, EmptyValueIsMissing) {
  EXPECT_EQ(Slip({"--server="}), "--server has no value: '' follows the =");
  EXPECT_EQ(Slip({"--json="}), "");
}

TEST(FlagWordsTest, LongFlagWithOneDashIsShownWithTwo) {
  EXPECT_EQ(Slip({"-server", "a:1"}), "there is no flag -server; flags have two dashes: --server");
  EXPECT_THAT(Slip({"-server=a:1"}), HasSubstr("--server=a:1"));
}

TEST(FlagWordsTest, ValuesMayBeginWithADash) {
  EXPECT_EQ(Slip({"--server", "a:1", "-k", "-1", "--json"}), "");
  EXPECT_EQ(Slip({"--server=--trainer"}), "");
  EXPECT_EQ(Slip({"--json", "--server", "a:1"}), "");
}

TEST(FlagWordsTest, WordsAfterTwoDashesAreNotFlags) {
  EXPECT_EQ(Slip({"--", "--server", "--trainer", "-server"}), "");
}

TEST(FlagWordsTest, MissingLastValueIsLeftToTheParser) { EXPECT_EQ(Slip({"--server"}), ""); }

TEST(FlagWordsTest, FlagIsFoundUnlessItIsAValue) {
  EXPECT_TRUE(HasFlag({"gallery", "add", "--version"}, "--version", KindOf));
  EXPECT_FALSE(HasFlag({"--server", "--version"}, "--version", KindOf));
  EXPECT_FALSE(HasFlag({"rm", "--", "--version"}, "--version", KindOf));
}

}  // namespace
}  // namespace s2p
