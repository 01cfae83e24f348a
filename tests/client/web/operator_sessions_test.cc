#include "client/web/operator_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "daemon/retry_after.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

class OperatorSessionsTest : public testing::Test {
 protected:
  void ChangePassword(const std::string& password) {
    password_ = std::make_shared<const std::string>(password);
  }
  std::string MustLogin() {
    const auto token = sessions_.Login("open sesame", kOperator);
    EXPECT_THAT(token, IsOk());
    return token.value_or("");
  }

  void GuessTenTimes(const std::string& client) {
    for (int i = 0; i < 10; ++i) sessions_.Login("guess", client).IgnoreError();
  }

  static constexpr char kOperator[] = "192.0.2.7";
  absl::Duration now_ = absl::Seconds(1000);
  std::shared_ptr<const std::string> password_ = std::make_shared<const std::string>("open sesame");
  OperatorSessions sessions_{[this] { return password_; }, /*login_elsewhere=*/false,
                             [this] { return now_; }};
};

TEST_F(OperatorSessionsTest, WithoutAPasswordEveryoneIsAnOperator) {
  const OperatorSessions open(nullptr);
  EXPECT_FALSE(open.login_required());
  EXPECT_TRUE(open.IsOperator(""));
}

TEST_F(OperatorSessionsTest, LoginTokenIsAnOperatorUntilItExpires) {
  const std::string token = MustLogin();
  EXPECT_TRUE(sessions_.IsOperator(token));
  now_ += absl::Hours(12) - absl::Seconds(1);
  EXPECT_TRUE(sessions_.IsOperator(token));
  now_ += absl::Seconds(1);
  EXPECT_FALSE(sessions_.IsOperator(token));
}

TEST_F(OperatorSessionsTest, NewPasswordEndsTheSessionsOfTheFormer) {
  const std::string token = MustLogin();
  ChangePassword("close sesame");
  EXPECT_FALSE(sessions_.IsOperator(token));
  EXPECT_THAT(sessions_.Login("open sesame", kOperator),
              StatusIs(absl::StatusCode::kUnauthenticated));
  const auto again = sessions_.Login("close sesame", kOperator);
  ASSERT_THAT(again, IsOk());
  EXPECT_TRUE(sessions_.IsOperator(*again));
}

TEST_F(OperatorSessionsTest, SamePasswordReadAgainEndsNoSession) {
  const std::string token = MustLogin();
  ChangePassword("open sesame");
  EXPECT_TRUE(sessions_.IsOperator(token));
}

TEST_F(OperatorSessionsTest, OtherTokensAreNot) {
  const std::string token = MustLogin();
  EXPECT_FALSE(sessions_.IsOperator(""));
  EXPECT_FALSE(sessions_.IsOperator(token.substr(1)));
  EXPECT_NE(token, MustLogin());
}

TEST_F(OperatorSessionsTest, LogoutEndsOneSession) {
  const std::string one = MustLogin(), other = MustLogin();
  sessions_.Logout(one);
  EXPECT_FALSE(sessions_.IsOperator(one));
  EXPECT_TRUE(sessions_.IsOperator(other));
}

TEST_F(OperatorSessionsTest, WrongPasswordIsUnauthenticated) {
  EXPECT_THAT(sessions_.Login("open sesam", kOperator),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(sessions_.Login("", kOperator), StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(OperatorSessionsTest, AfterTenWrongPasswordsTheRightOneWaitsToo) {
  GuessTenTimes(kOperator);
  now_ += absl::Seconds(20);
  const absl::Status status = sessions_.Login("open sesame", kOperator).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(RetryAfter(status), absl::Seconds(40));
  now_ += absl::Seconds(40);
  MustLogin();
}

TEST_F(OperatorSessionsTest, OthersWrongPasswordsLockNobodyOut) {
  for (int i = 0; i < 20; ++i) GuessTenTimes(absl::StrCat("198.51.100.", i));
  GuessTenTimes("2001:db8::1");
  MustLogin();
}

TEST_F(OperatorSessionsTest, AddressesOfOneSiteCountTogether) {
  for (int i = 0; i < 10; ++i) {
    sessions_.Login("guess", absl::StrCat("2001:db8::", i)).IgnoreError();
  }
  EXPECT_THAT(sessions_.Login("open sesame", "2001:db8::ffff"),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(OperatorSessionsTest, ClientThatWasWrongLongestAgoIsForgottenFirst) {
  GuessTenTimes("192.0.2.1");
  GuessTenTimes("192.0.2.2");
  for (int i = 0; i < 9'999; ++i) {
    sessions_.Login("guess", absl::StrCat("10.0.", i / 256, ".", i % 256)).IgnoreError();
  }
  EXPECT_THAT(sessions_.Login("open sesame", "192.0.2.1"), IsOk());
  EXPECT_THAT(sessions_.Login("open sesame", "192.0.2.2"),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(OperatorSessionsTest, WithoutAPasswordALoginElsewhereIsStillNeeded) {
  OperatorSessions sessions(nullptr, /*login_elsewhere=*/true);
  EXPECT_TRUE(sessions.login_required());
  EXPECT_FALSE(sessions.IsOperator(""));
  EXPECT_THAT(sessions.Login("", kOperator),
              StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("at the proxy")));
}

TEST_F(OperatorSessionsTest, OldestOfTooManySessionsIsDropped) {
  const std::string first = MustLogin();
  for (int i = 0; i < 999; ++i) {
    now_ += absl::Milliseconds(1);
    MustLogin();
  }
  EXPECT_TRUE(sessions_.IsOperator(first));
  now_ += absl::Milliseconds(1);
  const std::string last = MustLogin();
  EXPECT_FALSE(sessions_.IsOperator(first));
  EXPECT_TRUE(sessions_.IsOperator(last));
}

class PasswordFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& text, mode_t mode) {
    const std::string path = dir_.path() + "/password";
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  test::TempDir dir_;
};

TEST_F(PasswordFileTest, FirstLineIsThePassword) {
  EXPECT_EQ(ReadPasswordFile(Write("open sesame\r\nnotes\n", 0600)).value(), "open sesame");
}

TEST_F(PasswordFileTest, ShortPasswordIsRefused) {
  const auto password = ReadPasswordFile(Write("sesame\n", 0600));
  EXPECT_THAT(password, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("8 characters")));
}

TEST_F(PasswordFileTest, WorldReadableFileIsRefused) {
  EXPECT_THAT(ReadPasswordFile(Write("open sesame\n", 0644)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(PasswordFileTest, MissingFileIsNamed) {
  const auto password = ReadPasswordFile(dir_.path() + "/nothing");
  EXPECT_THAT(password, StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nothing")));
}

}  // namespace
}  // namespace s2p
