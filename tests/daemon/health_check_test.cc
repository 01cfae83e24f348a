#include "daemon/health_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/http_endpoint.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

std::unique_ptr<HttpEndpoint> MustStart(const std::string& listen) {
  HttpEndpointOptions options;
  options.listen = listen;
  auto endpoint = HttpEndpoint::Start(std::move(options));
  EXPECT_THAT(endpoint, IsOk());
  return *std::move(endpoint);
}

TEST(HealthCheckTest, ProcessThatAnswersIsAlive) {
  const auto endpoint = MustStart("127.0.0.1:0");
  EXPECT_THAT(CheckHealth(endpoint->address()), IsOk());
}

TEST(HealthCheckTest, WhoListensEverywhereIsAskedThroughLoopback) {
  const auto endpoint = MustStart("0.0.0.0:0");
  EXPECT_THAT(CheckHealth(absl::StrCat("0.0.0.0:", endpoint->port())), IsOk());
  EXPECT_THAT(CheckHealth(absl::StrCat(":", endpoint->port())), IsOk());
}

TEST(HealthCheckTest, ProcessThatIsGoneIsNamed) {
  std::string address;
  {
    const auto endpoint = MustStart("127.0.0.1:0");
    address = endpoint->address();
  }
  const absl::Status status = CheckHealth(address);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address)));
}

TEST(HealthCheckTest, PortThatCannotBeKnownIsInvalid) {
  EXPECT_THAT(CheckHealth("127.0.0.1:0"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(CheckHealth("nonsense"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace s2p
