#include "daemon/reloaded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/text_file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReloadedTest : public testing::Test {
 protected:
  // Always replaces the file, as two writes within one tick of the clock look alike.
  void Write(const std::string& text) {
    std::ofstream(dir_.File("new")) << text;
    ASSERT_EQ(std::rename(dir_.File("new").c_str(), path_.c_str()), 0);
  }
  void Create() {
    ReloadedOptions<std::string> options;
    options.paths = {path_};
    options.read = [this]() -> absl::StatusOr<std::string> {
      ++reads_;
      return ReadTextFile(path_);
    };
    options.report = [this](const absl::Status& status, const std::string& former,
                            const std::string& now) {
      reports_.push_back(absl::StrCat(former, ">", now, status.ok() ? "" : "!"));
    };
    options.interval = interval_;
    reloaded_ = *Reloaded<std::string>::Create(std::move(options));
  }

  TempDir dir_;
  const std::string path_ = dir_.File("file");
  std::chrono::steady_clock::duration interval_ = std::chrono::seconds(0);
  int reads_ = 0;
  std::vector<std::string> reports_;
  std::unique_ptr<Reloaded<std::string>> reloaded_;
};

TEST_F(ReloadedTest, FileThatCannotBeReadAtFirstIsAnError) {
  ReloadedOptions<std::string> options;
  options.read = [this] { return ReadTextFile(path_); };
  EXPECT_THAT(Reloaded<std::string>::Create(options), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ReloadedTest, UnchangedFileIsReadOnce) {
  Write("one");
  Create();
  EXPECT_EQ(reloaded_->Get(), reloaded_->Get());
  EXPECT_EQ(reads_, 1);
  EXPECT_THAT(reports_, IsEmpty());
}

TEST_F(ReloadedTest, ChangedFileIsReadAgain) {
  Write("one");
  Create();
  const auto one = reloaded_->Get();
  Write("two");
  EXPECT_EQ(*reloaded_->Get(), "two");
  EXPECT_EQ(*one, "one");
  EXPECT_THAT(reports_, ElementsAre("one>two"));
}

TEST_F(ReloadedTest, BadFileKeepsTheFormerValueAndIsReportedOnce) {
  Write("one");
  Create();
  Write("\xff");
  EXPECT_EQ(*reloaded_->Get(), "one");
  EXPECT_EQ(*reloaded_->Get(), "one");
  EXPECT_THAT(reports_, ElementsAre("one>one!"));
}

TEST_F(ReloadedTest, FileThatIsGoneKeepsTheFormerValue) {
  Write("one");
  Create();
  std::remove(path_.c_str());
  EXPECT_EQ(*reloaded_->Get(), "one");
  Write("two");
  EXPECT_EQ(*reloaded_->Get(), "two");
  EXPECT_THAT(reports_, ElementsAre("one>one!", "one>two"));
}

TEST_F(ReloadedTest, BetweenTwoLooksNothingIsRead) {
  interval_ = std::chrono::hours(1);
  Write("one");
  Create();
  Write("two");
  EXPECT_EQ(*reloaded_->Get(), "one");
}

TEST_F(ReloadedTest, SignalReadsImmediately) {
  ASSERT_THAT(CatchReloadSignal(), IsOk());
  interval_ = std::chrono::hours(1);
  Write("one");
  Create();
  Write("two");
  raise(SIGHUP);
  EXPECT_EQ(*reloaded_->Get(), "two");
  EXPECT_EQ(reads_, 2);
}

}  // namespace
}  // namespace s2p::test
