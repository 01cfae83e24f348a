#include "client/connection/server_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;

struct Good {
  const char* text;
  const char* host;
  int port;
};

class GoodAddressTest : public testing::TestWithParam<Good> {};

TEST_P(GoodAddressTest, IsRead) {
  const auto address = ParseServerAddress(GetParam().text);
  ASSERT_THAT(address, IsOk());
  EXPECT_EQ(address->host, GetParam().host);
  EXPECT_EQ(address->port, GetParam().port);
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, GoodAddressTest,
    testing::Values(Good{"127.0.0.1:50051", "127.0.0.1", 50051}, Good{"[::1]:1", "::1", 1},
                    Good{"search.example.org:65535", "search.example.org", 65535},
                    Good{"my_server:1", "my_server", 1},
                    Good{"dns:///search:50051", "search", 50051},
                    Good{"dns://8.8.8.8/search:50051", "search", 50051},
                    Good{"dns:search:50051", "search", 50051}, Good{"unix:/run/s2p.sock", "", 0},
                    Good{"unix:///run/s2p.sock", "", 0}, Good{"ipv4:10.0.0.1:1,10.0.0.2:1", "", 0},
                    Good{"[fe80::1%eth0]:80", "fe80::1%eth0", 80}));

TEST(ServerAddressTest, BadAddressIsQuoted) {
  for (const char* text :
       {"",           "--trainer", "gallery",  "127.0.0.1", ":50051",      "host:",   "host:0",
        "host:70000", "host:-1",   "host:+1",  "host:http", "host: 50051", " host:1", "host:1 ",
        "::1:80",     "a/b:80",    "a host:1", "-h:1",      "unix:",       "dns:",    "dns:///"}) {
    const absl::Status status = CheckServerAddress(text);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                 HasSubstr("'" + std::string(text) + "'")))
        << text;
  }
}

TEST(ServerAddressTest, LineEndFromAFileIsShown) {
  EXPECT_THAT(std::string(CheckServerAddress("host:1\r").message()), HasSubstr("'host:1\\r'"));
}

TEST(ServerAddressTest, ErrorForAPageAddressNamesTheScheme) {
  EXPECT_THAT(std::string(CheckServerAddress("http://127.0.0.1:50051").message()),
              AllOf(HasSubstr("HOST:PORT"), HasSubstr("without http://")));
}

}  // namespace
}  // namespace s2p
