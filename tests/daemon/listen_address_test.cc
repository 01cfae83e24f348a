#include "daemon/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

TEST(ListenAddressTest, TextSurvivesARoundTrip) {
  for (const char* text : {"127.0.0.1:50051", "[::1]:0", "0.0.0.0:65535", "search.local:8080"}) {
    absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(ListenAddressTest, EmptyHostAndStarMeanEveryInterface) {
  EXPECT_EQ(ParseListenAddress(":1")->ToString(), "0.0.0.0:1");
  EXPECT_EQ(ParseListenAddress("*:1")->ToString(), "0.0.0.0:1");
}

TEST(ListenAddressTest, BadTextIsQuotedInTheError) {
  for (const char* text : {"", "127.0.0.1", "host:", "host:70000", "host:-1", "host:http", "::1:80",
                           "a host:80", "a/b:80"}) {
    absl::Status status = ParseListenAddress(text).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("'" + std::string(text) + "'")))
        << text;
  }
}

struct Rule {
  const char* address;
  bool open_needs_protection;
};

class LoopbackRuleTest : public testing::TestWithParam<Rule> {};

TEST_P(LoopbackRuleTest, PlainTextIsOnlyForLoopback) {
  absl::Status status = CheckListenAddress(GetParam().address, false, false);
  EXPECT_EQ(status.code(), GetParam().open_needs_protection ? absl::StatusCode::kInvalidArgument
                                                            : absl::StatusCode::kOk)
      << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(GetParam().open_needs_protection ? "--insecure" : ""));
}

TEST_P(LoopbackRuleTest, TlsIsForEveryAddress) {
  EXPECT_THAT(CheckListenAddress(GetParam().address, /*has_tls=*/true, false), IsOk());
}

TEST_P(LoopbackRuleTest, InsecureIsForEveryAddress) {
  EXPECT_THAT(CheckListenAddress(GetParam().address, false, /*allow_insecure=*/true), IsOk());
}

INSTANTIATE_TEST_SUITE_P(Addresses, LoopbackRuleTest,
                         testing::Values(Rule{"127.0.0.1:0", false}, Rule{"127.255.3.4:1", false},
                                         Rule{"localhost:1", false}, Rule{"[::1]:1", false},
                                         Rule{"unix:/run/s2p.sock", false}, Rule{"0.0.0.0:1", true},
                                         Rule{":1", true}, Rule{"*:1", true}, Rule{"[::]:1", true},
                                         Rule{"192.168.0.7:1", true}, Rule{"[fe80::1]:1", true},
                                         Rule{"127.example.org:1", true},
                                         Rule{"127.0.0.1.example.org:1", true},
                                         Rule{"localhost.example.org:1", true},
                                         Rule{"1.127.0.1:1", true}));

TEST(ListenAddressTest, FormIsCheckedBeforeAnythingListens) {
  for (const char* text : {"0.0.0.0:50051", "127.0.0.1:0", ":1"}) {
    EXPECT_THAT(CheckGrpcListen(text), IsOk()) << text;
    EXPECT_THAT(CheckHttpListen(text), IsOk()) << text;
  }
  for (const char* text : {"", "--http", "127.0.0.1:70000", "127.0.0.1:1 ", "unix:"}) {
    EXPECT_THAT(CheckGrpcListen(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
    EXPECT_THAT(CheckHttpListen(text), StatusIs(absl::StatusCode::kInvalidArgument)) << text;
  }
}

TEST(ListenAddressTest, OnlyGrpcListensOnASocketInTheFileSystem) {
  EXPECT_THAT(CheckGrpcListen("unix:/run/s2p.sock"), IsOk());
  EXPECT_FALSE(CheckHttpListen("unix:/run/s2p.sock").ok());
}

TEST(ListenAddressTest, ProtectionIsNamedByTheProgramsFlags) {
  EXPECT_THAT(CheckListenAddress(":1", false, false),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("give --tls-cert and --tls-key, or --insecure")));
  EXPECT_THAT(CheckListenAddress(":1", false, false, "--http-tls-cert"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("give --http-tls-cert, or --insecure")));
}

TEST(ListenAddressTest, UnixSocketWithoutPathIsRefused) {
  absl::Status status = CheckListenAddress("unix:", true, true);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("unix:PATH")));
}

}  // namespace
}  // namespace s2p
