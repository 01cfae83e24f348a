#include "daemon/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ContainsRegex;
using testing::EndsWith;
using testing::HasSubstr;

class LogTest : public testing::Test {
 protected:
  ~LogTest() override { EXPECT_THAT(ConfigureLog(LogOptions()), IsOk()); }

  void Configure(const std::string& format, const std::string& level = "info") {
    LogOptions options;
    options.format = format;
    options.level = level;
    ASSERT_THAT(ConfigureLog(options, &out_), IsOk());
  }

  // The only line so far, read by a JSON reader that is not ours.
  nlohmann::json Json() {
    nlohmann::json line = nlohmann::json::parse(out_.str(), nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(line.is_object()) << out_.str();
    return line;
  }

  std::ostringstream out_;
};

TEST_F(LogTest, HumanLineHasTimeLevelMessageAndFields) {
  Configure("human");
  LogWarning("adopted checkpoint", {{"version", 3}, {"path", "a b"}});
  EXPECT_THAT(out_.str(), ContainsRegex("^[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z warning "));
  EXPECT_THAT(out_.str(), EndsWith("adopted checkpoint version=3 path=\"a b\"\n"));
}

TEST_F(LogTest, JsonLineParses) {
  Configure("json");
  LogInfo("ready", {{"port", 50051}, {"tls", false}, {"ratio", 0.5}, {"name", "x"}});
  auto line = Json();
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["message"], "ready");
  EXPECT_EQ(line["port"], 50051);
  EXPECT_EQ(line["tls"], false);
  EXPECT_EQ(line["ratio"], 0.5);
  EXPECT_EQ(line["name"], "x");
  EXPECT_EQ(line["time"].get<std::string>().size(), 24U);
}

TEST_F(LogTest, HostileTextStaysOneJsonString) {
  Configure("json");
  const std::string text = "\"}\n{\"a\\\x01\t\xC3\xA9";
  LogInfo(text, {{"id", text}});
  auto line = Json();
  EXPECT_EQ(line["message"], text);
  EXPECT_EQ(line["id"], text);
  EXPECT_EQ(line.size(), 4U);
}

TEST_F(LogTest, BytesThatAreNotUtf8BecomeTheReplacementCharacter) {
  Configure("json");
  LogInfo("x", {{"id", "a\xFF\xE2\x82z"}});
  EXPECT_EQ(Json()["id"], "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST_F(LogTest, NumberThatJsonDoesNotHaveIsAString) {
  Configure("json");
  LogInfo("x", {{"loss", std::numeric_limits<double>::infinity()}});
  EXPECT_EQ(Json()["loss"], "inf");
}

TEST_F(LogTest, LineBreakInAMessageStaysOneHumanLine) {
  Configure("human");
  LogInfo("one\ntwo");
  EXPECT_THAT(out_.str(), EndsWith("one\\ntwo\n"));
}

TEST_F(LogTest, BelowTheLevelIsDropped) {
  Configure("human", "warning");
  LogDebug("a");
  LogInfo("b");
  EXPECT_EQ(out_.str(), "");
  LogError("c");
  EXPECT_THAT(out_.str(), HasSubstr("error   c\n"));
}

TEST_F(LogTest, LinesOfSeveralThreadsAreWhole) {
  Configure("human");
  const std::string long_text(500, 'x');
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) LogInfo(long_text, {{"end", 1}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> lines = absl::StrSplit(out_.str(), '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 200U);
  for (const std::string& line : lines) EXPECT_THAT(line, EndsWith(long_text + " end=1"));
}

TEST_F(LogTest, UnknownFormatIsInvalid) {
  LogOptions options;
  options.format = "xml";
  absl::Status status = ConfigureLog(options, &out_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'xml'")));
}

TEST_F(LogTest, UnknownLevelIsInvalid) {
  LogOptions options;
  options.level = "loud";
  absl::Status status = ConfigureLog(options, &out_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'loud'")));
}

TEST(JsonObjectTest, FieldsAreMembersAndListsAreLists) {
  const std::vector<std::string> ids = {"a\"b", "c"};
  EXPECT_EQ(JsonObject({{"method", "DeletePhotos"}, LogField::List("ids", ids), {"count", 2}}),
            R"({"method":"DeletePhotos","ids":["a\"b","c"],"count":2})");
  EXPECT_EQ(JsonObject({LogField::List("ids", {})}), R"({"ids":[]})");
}

}  // namespace
}  // namespace s2p
