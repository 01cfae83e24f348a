#include "client/web/request_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

TEST(CheckHostTest, OnlyNumbersAndLocalhostWithoutAList) {
  EXPECT_THAT(CheckHost({"evil.example"}, {}), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(CheckHost({"127.0.0.1:8080"}, {}), IsOk());
  EXPECT_THAT(CheckHost({"localhost:8080"}, {}), IsOk());
}

TEST(CheckHostTest, StarIsAnyName) { EXPECT_THAT(CheckHost({"evil.example"}, {"*"}), IsOk()); }

TEST(CheckHostTest, OtherNameThanThoseListedIsRefused) {
  const absl::Status status = CheckHost({"evil.example:8080"}, {"shoes.example"});
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("--host-name evil.example")));
}

TEST(CheckHostTest, ListedNameNumbersAndLocalhostAreAdmitted) {
  for (const char* host : {"Shoes.example", "shoes.example:8080", "127.0.0.1:8080", "[::1]:8080",
                           "192.168.1.7", "localhost:8080"}) {
    EXPECT_THAT(CheckHost({host}, {"shoes.example"}), IsOk()) << host;
  }
}

TEST(CheckOriginTest, OwnPageMayChange) {
  EXPECT_THAT(CheckOrigin({"shoes:8080", "http://shoes:8080", ""}, true), IsOk());
  EXPECT_THAT(CheckOrigin({"shoes", "https://shoes", "same-origin"}, true), IsOk());
  EXPECT_THAT(CheckOrigin({"shoes", "", "same-origin"}, true), IsOk());
}

TEST(CheckOriginTest, PageOfAnotherSiteMayNot) {
  for (const RequestOrigin& from :
       {RequestOrigin{"shoes:8080", "http://evil.example", ""},
        RequestOrigin{"shoes:8080", "http://shoes:8081", ""}, RequestOrigin{"shoes", "null", ""},
        RequestOrigin{"shoes", "", "cross-site"}, RequestOrigin{"shoes", "", "same-site"}}) {
    EXPECT_THAT(CheckOrigin(from, false), StatusIs(absl::StatusCode::kPermissionDenied))
        << from.origin << from.fetch_site;
  }
}

TEST(CheckOriginTest, ChangeWithoutOriginIsRefusedAndSearchIsNot) {
  const absl::Status status = CheckOrigin({"shoes"}, /*must_tell=*/true);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("Origin")));
  EXPECT_THAT(CheckOrigin({"shoes"}, /*must_tell=*/false), IsOk());
}

}  // namespace
}  // namespace s2p
