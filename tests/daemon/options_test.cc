#include "daemon/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class OptionsTest : public testing::Test {
 protected:
  OptionsTest() : options_("prog", "A program", "1.2.3") {
    options_.Add("max-batch", &max_batch_, "images in one pass").Range(1, 32);
    options_.Add("delay", &delay_, "longest wait").Range(0, 10);
    options_.Add("device", &device_, "where").OneOf({"auto", "cpu"});
    options_.Add("insecure", &insecure_, "plain text");
    options_.Add("set", &set_, "overrides");
    options_.AddBytes("max-image", &max_image_, "largest image");
    options_.Add("ratio", &ratio_, "a fraction");
  }
  ~OptionsTest() override {
    for (const std::string& name : environment_) unsetenv(name.c_str());
  }

  void SetEnvironment(const std::string& name, const std::string& value) {
    setenv(name.c_str(), value.c_str(), 1);
    environment_.push_back(name);
  }

  std::string WriteConfig(const std::string& contents) {
    const std::string path = dir_.File("prog.toml");
    std::ofstream(path) << contents;
    return path;
  }

  // -1 means to continue.
  int Parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "prog");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return options_.Parse(static_cast<int>(argv.size()), argv.data(), out_, err_).value_or(-1);
  }

  void ExpectUsageError(const std::vector<std::string>& arguments, const std::string& words) {
    EXPECT_EQ(Parse(arguments), 2);
    EXPECT_THAT(err_.str(), HasSubstr(words));
    EXPECT_EQ(out_.str(), "");
  }

  test::TempDir dir_;
  std::vector<std::string> environment_;
  uint32_t max_batch_ = 32;
  absl::Duration delay_ = absl::Milliseconds(2);
  std::string device_ = "auto";
  bool insecure_ = false;
  std::vector<std::string> set_;
  uint64_t max_image_ = 10 << 20;
  double ratio_ = 0.5;
  std::ostringstream out_;
  std::ostringstream err_;
  Options options_;
};

TEST_F(OptionsTest, WithoutSourcesTheDefaultsStay) {
  EXPECT_EQ(Parse({}), -1);
  EXPECT_EQ(max_batch_, 32U);
  EXPECT_EQ(delay_, absl::Milliseconds(2));
  EXPECT_EQ(err_.str(), "");
}

TEST_F(OptionsTest, FileBeatsTheDefault) {
  EXPECT_EQ(Parse({"--config", WriteConfig("max-batch = 8\n")}), -1);
  EXPECT_EQ(max_batch_, 8U);
}

TEST_F(OptionsTest, EnvironmentBeatsTheFile) {
  SetEnvironment("S2P_MAX_BATCH", "9");
  EXPECT_EQ(Parse({"--config", WriteConfig("max-batch = 8\n")}), -1);
  EXPECT_EQ(max_batch_, 9U);
}

TEST_F(OptionsTest, FlagBeatsTheEnvironment) {
  SetEnvironment("S2P_MAX_BATCH", "9");
  EXPECT_EQ(Parse({"--max-batch=10"}), -1);
  EXPECT_EQ(max_batch_, 10U);
}

TEST_F(OptionsTest, ConfigCanBeNamedInTheEnvironment) {
  SetEnvironment("S2P_CONFIG", WriteConfig("device = 'cpu'\n"));
  EXPECT_EQ(Parse({}), -1);
  EXPECT_EQ(device_, "cpu");
}

TEST_F(OptionsTest, FileSetsEveryKindOfFlag) {
  EXPECT_EQ(Parse({"--config", WriteConfig("delay = \"5ms\"  # short\n"
                                           "insecure = true\n"
                                           "set = ['a=1', 'b=2']\n"
                                           "max_image = \"2MiB\"\n"
                                           "ratio = 0.25\n")}),
            -1)
      << err_.str();
  EXPECT_EQ(delay_, absl::Milliseconds(5));
  EXPECT_TRUE(insecure_);
  EXPECT_THAT(set_, ElementsAre("a=1", "b=2"));
  EXPECT_EQ(max_image_, 2U << 20);
  EXPECT_EQ(ratio_, 0.25);
}

TEST_F(OptionsTest, SwitchNeedsNoValue) {
  EXPECT_EQ(Parse({"--insecure"}), -1);
  EXPECT_TRUE(insecure_);
}

TEST_F(OptionsTest, SwitchCanBeTakenBack) {
  SetEnvironment("S2P_INSECURE", "true");
  EXPECT_EQ(Parse({"--insecure=false"}), -1);
  EXPECT_FALSE(insecure_);
}

TEST_F(OptionsTest, StrongestSourceReplacesAList) {
  SetEnvironment("S2P_SET", "a,b");
  EXPECT_EQ(Parse({"--set", "c", "--set", "d"}), -1);
  EXPECT_THAT(set_, ElementsAre("c", "d"));
}

TEST_F(OptionsTest, ListInTheEnvironmentIsSplitAtCommas) {
  SetEnvironment("S2P_SET", "a,b");
  EXPECT_EQ(Parse({}), -1);
  EXPECT_THAT(set_, ElementsAre("a", "b"));
}

TEST_F(OptionsTest, UnknownKeyIsRefusedWithFileAndLine) {
  const std::string path = WriteConfig("# limits\nmax-batsh = 8\n");
  ExpectUsageError({"--config", path}, absl::StrCat(path, ":2: unknown key 'max-batsh'"));
}

TEST_F(OptionsTest, UnknownTableIsRefusedWithFileAndLine) {
  const std::string path = WriteConfig("[limits]\nmax-batch = 8\n");
  ExpectUsageError({"--config", path}, absl::StrCat(path, ":2: unknown table [limits]"));
}

TEST_F(OptionsTest, BadValueInTheFileIsRefusedWithFileAndLine) {
  const std::string path = WriteConfig("max-batch = 33\n");
  ExpectUsageError({"--config", path}, absl::StrCat(path, ":1"));
  EXPECT_THAT(err_.str(), HasSubstr("--max-batch: '33' is not between 1 and 32"));
}

TEST_F(OptionsTest, BadValueInTheEnvironmentNamesTheVariable) {
  SetEnvironment("S2P_MAX_BATCH", "many");
  ExpectUsageError({}, "S2P_MAX_BATCH");
  EXPECT_THAT(err_.str(), HasSubstr("'many' is not a whole number"));
}

TEST_F(OptionsTest, ArrayForOneValueIsRefused) {
  ExpectUsageError({"--config", WriteConfig("device = ['cpu']\n")}, "takes one value");
}

TEST_F(OptionsTest, MissingConfigFileIsRefused) {
  ExpectUsageError({"--config", dir_.File("none.toml")}, dir_.File("none.toml"));
}

TEST_F(OptionsTest, UnknownFlagIsUsage) { ExpectUsageError({"--max-batsh", "8"}, "--max-batsh"); }

TEST_F(OptionsTest, ValueOutsideTheChoicesIsUsage) {
  ExpectUsageError({"--device", "tpu"}, "'tpu' is none of auto, cpu");
}

TEST_F(OptionsTest, DurationOutsideTheRangeSaysSeconds) {
  ExpectUsageError({"--delay", "11s"}, "not between 0 and 10 seconds");
}

TEST_F(OptionsTest, RequiredFlagCanComeFromAnySource) {
  std::string root;
  options_.Add("root", &root, "a folder").Required();
  SetEnvironment("S2P_ROOT", "/srv");
  EXPECT_EQ(Parse({}), -1) << err_.str();
  EXPECT_EQ(root, "/srv");
}

TEST_F(OptionsTest, MissingRequiredFlagIsUsage) {
  std::string root;
  options_.Add("root", &root, "a folder").Required();
  ExpectUsageError({}, "--root is required");
}

TEST_F(OptionsTest, SwitchThatStandsAloneNeedsNoRequiredFlag) {
  std::string root;
  bool health = false;
  options_.Add("root", &root, "a folder").Required();
  options_.Add("health", &health, "only look").Alone();
  EXPECT_EQ(Parse({"--health"}), -1) << err_.str();
  EXPECT_TRUE(health);
}

TEST_F(OptionsTest, SwitchThatStandsAloneAndIsOffChangesNothing) {
  std::string root;
  bool health = false;
  options_.Add("root", &root, "a folder").Required();
  options_.Add("health", &health, "only look").Alone();
  ExpectUsageError({"--health=false"}, "--root is required");
}

TEST_F(OptionsTest, HelpShowsEveryFlagWithItsDefault) {
  EXPECT_EQ(Parse({"--help"}), 0);
  for (const char* words :
       {"--max-batch", "--config", "images in one pass", "plain text", "10MiB", "auto|cpu"}) {
    EXPECT_THAT(out_.str(), HasSubstr(words));
  }
}

TEST_F(OptionsTest, VersionIsShown) {
  EXPECT_EQ(Parse({"--version"}), 0);
  EXPECT_EQ(out_.str(), "prog 1.2.3\n");
}

TEST_F(OptionsTest, VersionIsShownWhateverElseIsAsked) {
  EXPECT_EQ(Parse({"--unknown", "--version"}), 0);
  EXPECT_EQ(out_.str(), "prog 1.2.3\n");
}

TEST_F(OptionsTest, VersionOfACommandThatIsAProgramNamesTheProgram) {
  Options options("prog backup", "Backs up", "1.2.3");
  const char* const argv[] = {"backup", "--version"};
  EXPECT_EQ(options.Parse(2, argv, out_, err_), 0);
  EXPECT_EQ(out_.str(), "prog 1.2.3\n");
}

TEST_F(OptionsTest, VersionThatCannotBeWrittenIsAFailure) {
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(Parse({"--version"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("standard output is closed or full"));
}

TEST_F(OptionsTest, ForgottenValueIsUsageNamingBothFlags) {
  std::string server;
  options_.Add("server", &server, "an address");
  ExpectUsageError({"--server", "--device=cpu"}, "--server has no value: --device=cpu follows");
}

TEST_F(OptionsTest, LongFlagWithOneDashIsUsage) {
  ExpectUsageError({"-max-batch", "8"},
                   "there is no flag -max-batch; flags have two dashes: --max-batch");
}

TEST_F(OptionsTest, TextThatTheCheckRefusesIsUsageFromEverySource) {
  std::string server = "unchecked";
  options_.Add("server", &server, "an address").Check([](const std::string& text) {
    return text == "a:1" ? absl::OkStatus() : absl::InvalidArgumentError("'" + text + "' is wrong");
  });
  EXPECT_EQ(Parse({}), -1);
  EXPECT_EQ(Parse({"--server", "a:1"}), -1) << err_.str();
  ExpectUsageError({"--server="}, "--server has no value");
  ExpectUsageError({"--server", ""}, "--server: '' is wrong\n");
  SetEnvironment("S2P_SERVER", "");
  ExpectUsageError({}, "--server: '' is wrong (from S2P_SERVER)");
}

TEST_F(OptionsTest, RequiredFlagIsNotEmpty) {
  std::string root;
  options_.Add("root", &root, "a folder").Required();
  ExpectUsageError({"--root", ""}, "--root: is empty\n");
  SetEnvironment("S2P_ROOT", "");
  ExpectUsageError({}, "--root: is empty (from S2P_ROOT)");
}

TEST_F(OptionsTest, ValuesShowWhatIsInForceButNoKey) {
  std::string key = "secret";
  Options options("prog", "", "");
  options.Add("api-key", &key, "a key");
  options.Add("max-batch", &max_batch_, "images");
  EXPECT_THAT(options.Values(), ElementsAre(Pair("api-key", "(set)"), Pair("max-batch", "32")));
}

class CommandsTest : public OptionsTest {
 protected:
  CommandsTest() {
    options_.AddCommand("serve", "Serve").Add("port", &port_, "a port");
    options_.AddCommand("run", "Run").Add("spec", &spec_, "a spec");
  }
  int32_t port_ = 1;
  std::string spec_;
};

TEST_F(CommandsTest, ChosenCommandsFlagsAreRead) {
  EXPECT_EQ(Parse({"serve", "--port", "5"}), -1);
  EXPECT_EQ(options_.command(), "serve");
  EXPECT_EQ(port_, 5);
}

TEST_F(CommandsTest, TableOfTheCommandIsReadAndOthersAreLeftAlone) {
  const std::string path = WriteConfig("[serve]\nport = 7\n[run]\nspec = 'x'\n");
  EXPECT_EQ(Parse({"serve", "--config", path}), -1) << err_.str();
  EXPECT_EQ(port_, 7);
  EXPECT_EQ(spec_, "");
}

TEST_F(CommandsTest, UnknownKeyOfAnotherCommandIsRefusedToo) {
  const std::string path = WriteConfig("[run]\nspeck = 'x'\n");
  ExpectUsageError({"serve", "--config", path}, absl::StrCat(path, ":2: unknown key 'speck'"));
}

TEST_F(CommandsTest, VersionIsShownAfterACommand) {
  EXPECT_EQ(Parse({"serve", "--version"}), 0);
  EXPECT_EQ(out_.str(), "prog 1.2.3\n");
}

TEST_F(CommandsTest, ForgottenValueOfACommandIsUsage) {
  ExpectUsageError({"run", "--spec", "--max-batch", "8"}, "--spec has no value");
}

TEST_F(CommandsTest, NoCommandIsUsage) { EXPECT_EQ(Parse({}), 2); }

TEST_F(CommandsTest, UnknownCommandIsUsage) { EXPECT_EQ(Parse({"dance"}), 2); }

TEST(FlagValuesTest, DurationsAreRead) {
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
}

TEST(FlagValuesTest, BadDurationsAreRefused) {
  for (const char* text : {"", "5", "-1s", "inf", "1 fortnight"}) {
    absl::Status status = ParseDuration(text).status();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a duration such as")))
        << text;
  }
}

TEST(FlagValuesTest, SizesAreRead) {
  EXPECT_EQ(*ParseBytes("10MiB"), 10U << 20);
  EXPECT_EQ(*ParseBytes("1.5 GiB"), 3U << 29);
  EXPECT_EQ(*ParseBytes("2kB"), 2000U);
  EXPECT_EQ(*ParseBytes("18446744073709551615"), ~uint64_t{0});
}

TEST(FlagValuesTest, BadSizesAreRefused) {
  for (const char* text : {"", "-1", "MiB", "1mib", "1.5", "1e3", "99999999TiB", "1.2.3kB"}) {
    absl::Status status = ParseBytes(text).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a size such as")))
        << text;
  }
}

}  // namespace
}  // namespace s2p
