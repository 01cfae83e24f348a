#include "client/web/request_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s2p {
namespace {

using ::testing::HasSubstr;

TEST(CheckHostTest, OnlyNumbersAndLocalhostWithoutAList) {
  EXPECT_EQ(CheckHost({"evil.example"}, {}).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(CheckHost({"127.0.0.1:8080"}, {}).ok());
  EXPECT_TRUE(CheckHost({"localhost:8080"}, {}).ok());
}

TEST(CheckHostTest, StarIsAnyName) { EXPECT_TRUE(CheckHost({"evil.example"}, {"*"}).ok()); }

TEST(CheckHostTest, OtherNameThanThoseListedIsRefused) {
  const absl::Status status = CheckHost({"evil.example:8080"}, {"shoes.example"});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("--host-name evil.example"));
}

TEST(CheckHostTest, ListedNameNumbersAndLocalhostAreLetIn) {
  for (const char* host : {"Shoes.example", "shoes.example:8080", "127.0.0.1:8080", "[::1]:8080",
                           "192.168.1.7", "localhost:8080"}) {
    EXPECT_TRUE(CheckHost({host}, {"shoes.example"}).ok()) << host;
  }
}

TEST(CheckOriginTest, OwnPageMayChange) {
  EXPECT_TRUE(CheckOrigin({"shoes:8080", "http://shoes:8080", ""}, true).ok());
  EXPECT_TRUE(CheckOrigin({"shoes", "https://shoes", "same-origin"}, true).ok());
  EXPECT_TRUE(CheckOrigin({"shoes", "", "same-origin"}, true).ok());
}

TEST(CheckOriginTest, PageOfAnotherSiteMayNot) {
  for (const RequestOrigin& from :
       {RequestOrigin{"shoes:8080", "http://evil.example", ""},
        RequestOrigin{"shoes:8080", "http://shoes:8081", ""}, RequestOrigin{"shoes", "null", ""},
        RequestOrigin{"shoes", "", "cross-site"}, RequestOrigin{"shoes", "", "same-site"}}) {
    EXPECT_EQ(CheckOrigin(from, false).code(), absl::StatusCode::kPermissionDenied)
        << from.origin << from.fetch_site;
  }
}

TEST(CheckOriginTest, ChangeWithoutOriginIsRefusedAndSearchIsNot) {
  const absl::Status status = CheckOrigin({"shoes"}, /*must_tell=*/true);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Origin"));
  EXPECT_TRUE(CheckOrigin({"shoes"}, /*must_tell=*/false).ok());
}

}  // namespace
}  // namespace s2p
