#include "daemon/health_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/http_endpoint.h"

namespace s2p {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<HttpEndpoint> MustStart(const std::string& listen) {
  HttpEndpointOptions options;
  options.listen = listen;
  auto endpoint = HttpEndpoint::Start(std::move(options));
  EXPECT_TRUE(endpoint.ok()) << endpoint.status();
  return *std::move(endpoint);
}

TEST(HealthCheckTest, ProcessThatAnswersIsAlive) {
  const auto endpoint = MustStart("127.0.0.1:0");
  EXPECT_TRUE(CheckHealth(endpoint->address()).ok());
}

TEST(HealthCheckTest, WhoListensEverywhereIsAskedThroughLoopback) {
  const auto endpoint = MustStart("0.0.0.0:0");
  EXPECT_TRUE(CheckHealth(absl::StrCat("0.0.0.0:", endpoint->port())).ok());
  EXPECT_TRUE(CheckHealth(absl::StrCat(":", endpoint->port())).ok());
}

TEST(HealthCheckTest, ProcessThatIsGoneIsNamed) {
  std::string address;
  {
    const auto endpoint = MustStart("127.0.0.1:0");
    address = endpoint->address();
  }
  const absl::Status status = CheckHealth(address);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr(address));
}

TEST(HealthCheckTest, PortThatCannotBeKnownIsInvalid) {
  EXPECT_EQ(CheckHealth("127.0.0.1:0").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CheckHealth("nonsense").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace s2p
