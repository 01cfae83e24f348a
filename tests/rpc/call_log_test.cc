#include "rpc/call_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "daemon/log.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class CallLogTest : public testing::Test {
 protected:
  ~CallLogTest() override { EXPECT_THAT(ConfigureLog(LogOptions()), IsOk()); }
  void Start(CallLogOptions options = {}, const std::string& level = "info") {
    LogOptions log_options;
    log_options.level = level;
    ASSERT_THAT(ConfigureLog(log_options, &out_), IsOk());
    log_ = std::make_unique<CallLog>(options);
  }
  // Ends a search `took` after its start.
  void End(absl::Duration took, const absl::Status& status = absl::OkStatus(),
           bool is_stream = false) {
    const CallRecord call{
        "Search", now_ - took, is_stream, [] {
          return std::vector<LogField>{{"encode", absl::Milliseconds(700)}, {"images", 3}};
        }};
    log_->Ended(call, "id-1", "ipv4:127.0.0.1:5", status, now_);
  }
  int Lines() const {
    const std::string text = out_.str();
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  std::ostringstream out_;
  SteadyTime now_ = SteadyTime() + absl::Seconds(1000);
  std::unique_ptr<CallLog> log_;
};

TEST_F(CallLogTest, QuickCallIsNotWorthALine) {
  Start();
  End(absl::Milliseconds(999));
  EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(CallLogTest, SlowCallIsLoggedWithItsDetails) {
  Start();
  End(absl::Milliseconds(1200));
  EXPECT_THAT(out_.str(),
              AllOf(HasSubstr(" warning "), HasSubstr("slow call"), HasSubstr("id-1"),
                    HasSubstr("127.0.0.1"), HasSubstr("encode=700ms"), HasSubstr("images=3"),
                    HasSubstr("code=OK"), HasSubstr("total=1.2s"), HasSubstr("left_out=0")));
}

TEST_F(CallLogTest, SlowCallMayHaveNoDetails) {
  Start();
  log_->Ended({"ListPhotos", now_ - absl::Seconds(2)}, "id-1", "ipv4:127.0.0.1:5", absl::OkStatus(),
              now_);
  EXPECT_THAT(out_.str(), AllOf(HasSubstr("method=ListPhotos"), HasSubstr("total=2s left_out=0")));
}

TEST_F(CallLogTest, EveryLineNamesTheKey) {
  Start({}, "debug");
  CallRecord call{"Search", now_ - absl::Seconds(2)};
  call.caller = Caller{"web", "127.0.0.1"};
  log_->Ended(call, "id-1", "ipv4:127.0.0.1:5", absl::InternalError("broken"), now_);
  std::istringstream lines(out_.str());
  int named = 0;
  for (std::string line; std::getline(lines, line); ++named) {
    EXPECT_THAT(line, HasSubstr(" key=web "));
  }
  EXPECT_EQ(named, 3);
}

TEST_F(CallLogTest, ThresholdOfZeroMeansNone) {
  Start({absl::ZeroDuration()});
  End(absl::Hours(1));
  EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(CallLogTest, StreamIsNeverSlow) {
  Start();
  End(absl::Hours(1), absl::OkStatus(), /*is_stream=*/true);
  EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(CallLogTest, OverloadDoesNotDrownTheLog) {
  Start({absl::Seconds(1), 10});
  for (int i = 0; i < 100; ++i) End(absl::Seconds(2));
  EXPECT_EQ(Lines(), 10);
  now_ += absl::Seconds(1);
  out_.str("");
  End(absl::Seconds(2));
  EXPECT_EQ(Lines(), 1);
  EXPECT_THAT(out_.str(), HasSubstr("left_out=90"));
}

TEST_F(CallLogTest, OurOwnFaultIsAnErrorHoweverQuick) {
  Start();
  for (const absl::Status& status :
       {absl::InternalError("broken inside"), absl::DataLossError("bad bytes"),
        absl::UnknownError("who knows")}) {
    out_.str("");
    End(absl::Milliseconds(1), status);
    EXPECT_THAT(out_.str(), AllOf(HasSubstr(" error "), HasSubstr("id-1"),
                                  HasSubstr(std::string(status.message()))));
  }
}

TEST_F(CallLogTest, CallersFaultIsNone) {
  Start();
  End(absl::Milliseconds(1), absl::InvalidArgumentError("bad field"));
  EXPECT_THAT(out_.str(), IsEmpty());
}

TEST_F(CallLogTest, EveryCallIsADebugLine) {
  Start({}, "debug");
  End(absl::Milliseconds(1), absl::NotFoundError("no"));
  EXPECT_THAT(out_.str(), AllOf(HasSubstr(" debug "), HasSubstr("code=NOT_FOUND"),
                                HasSubstr("id-1"), Not(HasSubstr("slow"))));
}

}  // namespace
}  // namespace s2p
