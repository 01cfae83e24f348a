#include "client/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::StatusIs;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

CompletionCommand Program() {
  CompletionCommand add{"add", {{"--split", true, {}}, {"--id-from", true, {"stem", "path"}}}, {}};
  CompletionCommand gallery{"gallery", {}, {add, {"list", {{"--json", false, {}}}, {}}}};
  return {"s2p", {{"--server", true, {}}}, {gallery, {"search", {{"--json", false, {}}}, {}}}};
}

class CompletionTest : public testing::Test {
 protected:
  // The completions that bash offers for the last of the words.
  std::vector<std::string> Offered(const std::string& words) {
    std::ofstream(dir_.File("completion")) << *CompletionScript(Program(), "bash");
    const std::vector<std::string> all = absl::StrSplit(words, ' ');
    std::ofstream(dir_.File("ask"))
        << "source " << dir_.File("completion") << "\nIFS=' ' read -ra COMP_WORDS <<< '" << words
        << "x'\nCOMP_WORDS[-1]=${COMP_WORDS[-1]%x}\nCOMP_CWORD=" << all.size() - 1
        << "\n_s2p\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
    FILE* const pipe = popen(absl::StrCat("bash ", dir_.File("ask"), " 2>&1").c_str(), "r");
    std::string output;
    for (int c; (c = std::fgetc(pipe)) != EOF;) output.push_back(static_cast<char>(c));
    EXPECT_EQ(pclose(pipe), 0) << output;
    return absl::StrSplit(output, '\n', absl::SkipEmpty());
  }

  test::TempDir dir_;
};

TEST_F(CompletionTest, CommandsAndFlagsOfTheProgramAreOffered) {
  EXPECT_THAT(Offered("s2p "), ElementsAre("gallery", "search", "--server"));
}

TEST_F(CompletionTest, WordIsCompletedByItsPrefix) {
  EXPECT_THAT(Offered("s2p se"), ElementsAre("search"));
}

TEST_F(CompletionTest, CommandOffersItsOwnAndTheProgramsFlags) {
  EXPECT_THAT(Offered("s2p gallery add --s"), ElementsAre("--split", "--server"));
  EXPECT_THAT(Offered("s2p gallery list "), AllOf(Contains("--json"), Not(Contains("--split"))));
}

TEST_F(CompletionTest, ValueOfAFlagIsNotACommand) {
  EXPECT_THAT(Offered("s2p --server search gallery "), ElementsAre("add", "list", "--server"));
}

TEST_F(CompletionTest, ChoicesOfAFlagAreOffered) {
  EXPECT_THAT(Offered("s2p gallery add --id-from "), ElementsAre("stem", "path"));
}

TEST_F(CompletionTest, FilesAreOfferedAfterAFlagThatTakesAnything) {
  const std::string prefix = dir_.File("compl");
  EXPECT_THAT(Offered(absl::StrCat("s2p gallery add --split ", prefix)),
              ElementsAre(dir_.File("completion")));
}

TEST_F(CompletionTest, ZshScriptLoadsBashCompletion) {
  EXPECT_THAT(*CompletionScript(Program(), "zsh"), HasSubstr("bashcompinit"));
}

TEST_F(CompletionTest, OtherShellsAreNamedInTheError) {
  const absl::Status status = CompletionScript(Program(), "fish").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("'fish' is neither bash nor zsh")));
}

}  // namespace
}  // namespace s2p
