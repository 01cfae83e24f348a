#include "daemon/http_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/daemon/http/raw_client.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// Sends `request` over a plain socket and returns the whole response; empty if nobody listens.
std::string Exchange(int port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

std::string Get(const HttpEndpoint& endpoint, const std::string& path) {
  return Exchange(endpoint.port(),
                  absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
}

std::unique_ptr<HttpEndpoint> MustStart(HttpEndpointOptions options = {}) {
  options.listen = "127.0.0.1:0";
  absl::StatusOr<std::unique_ptr<HttpEndpoint>> endpoint = HttpEndpoint::Start(std::move(options));
  EXPECT_THAT(endpoint, IsOk());
  return *std::move(endpoint);
}

TEST(HttpEndpointTest, MetricsAreTheCallbacksText) {
  HttpEndpointOptions options;
  options.metrics = [] { return std::string("s2p_up 1\n"); };
  const std::string answer = Get(*MustStart(options), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\ns2p_up 1\n"));
}

TEST(HttpEndpointTest, LivingProcessIsHealthyBeforeItIsReady) {
  HttpEndpointOptions options;
  options.ready = [] { return false; };
  EXPECT_THAT(Get(*MustStart(options), "/healthz"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpEndpointTest, ReadyFollowsTheCallback) {
  std::atomic<bool> ready{false};
  HttpEndpointOptions options;
  options.ready = [&] { return ready.load(); };
  auto endpoint = MustStart(options);
  EXPECT_THAT(Get(*endpoint, "/readyz"), StartsWith("HTTP/1.1 503"));
  ready = true;
  EXPECT_THAT(Get(*endpoint, "/readyz"), StartsWith("HTTP/1.1 200"));
}

TEST(HttpEndpointTest, OtherPathIsNotFound) {
  EXPECT_THAT(Get(*MustStart(), "/"), StartsWith("HTTP/1.1 404"));
}

TEST(HttpEndpointTest, PostIsNotFound) {
  auto endpoint = MustStart();
  EXPECT_THAT(Exchange(endpoint->port(),
                       "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
                       "Connection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 404"));
}

TEST(HttpEndpointTest, AddressNamesTheBoundPort) {
  auto endpoint = MustStart();
  EXPECT_GT(endpoint->port(), 0);
  EXPECT_EQ(endpoint->address(), absl::StrCat("127.0.0.1:", endpoint->port()));
}

TEST(HttpEndpointTest, TakenPortIsUnavailable) {
  auto endpoint = MustStart();
  HttpEndpointOptions options;
  options.listen = endpoint->address();
  absl::Status status = HttpEndpoint::Start(options).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(endpoint->address())));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another program has this port"));
}

TEST(HttpEndpointTest, ForeignAddressIsUnavailable) {
  HttpEndpointOptions options;
  options.listen = "192.0.2.1:0";  // Reserved for documentation: no machine has it.
  absl::Status status = HttpEndpoint::Start(options).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("192.0.2.1:0")));
}

TEST(HttpEndpointTest, BadAddressIsInvalid) {
  HttpEndpointOptions options;
  options.listen = "nonsense";
  absl::Status status = HttpEndpoint::Start(options).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'nonsense'")));
}

TEST(HttpEndpointTest, ZeroThreadsAreInvalid) {
  HttpEndpointOptions options;
  options.threads = 0;
  absl::Status status = HttpEndpoint::Start(options).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("between 1 and 64")));
}

TEST(HttpEndpointTest, StopFreesThePort) {
  auto endpoint = MustStart();
  const std::string address = endpoint->address();
  endpoint->Stop();
  endpoint->Stop();
  EXPECT_EQ(Get(*endpoint, "/healthz"), "");
  HttpEndpointOptions options;
  options.listen = address;
  EXPECT_THAT(HttpEndpoint::Start(options), IsOk());
}

TEST(HttpEndpointTest, SeveralCallersAreAnsweredAtOnce) {
  std::atomic<int> calls{0};
  HttpEndpointOptions options;
  options.metrics = [&] { return absl::StrCat("n ", ++calls, "\n"); };
  auto endpoint = MustStart(options);
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 5; ++i) EXPECT_THAT(Get(*endpoint, "/metrics"), HasSubstr("\r\n\r\nn "));
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(calls.load(), 20);
}

TEST(HttpEndpointTest, MetricsForOneAddressLeaveAThreadToAnother) {
  absl::Mutex mutex;
  int begun = 0;
  bool released = false;
  HttpEndpointOptions options;
  options.threads = 2;
  // The first call lasts.
  options.metrics = [&] {
    absl::MutexLock lock(&mutex);
    if (++begun == 1) mutex.Await(absl::Condition(&released));
    return absl::StrCat("n ", begun, "\n");
  };
  auto endpoint = MustStart(options);
  const std::string request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  test::RawClient lasts(endpoint->port(), "127.0.0.2"), waits(endpoint->port(), "127.0.0.2"),
      other(endpoint->port(), "127.0.0.3");
  lasts.Send(request);
  {
    absl::MutexLock lock(&mutex);
    const auto has_begun = [&] { return begun == 1; };
    mutex.Await(absl::Condition(&has_begun));
  }
  waits.Send(request);
  other.Send(request);
  EXPECT_THAT(other.ReadAll(), EndsWith("\r\n\r\nn 2\n"));
  {
    absl::MutexLock lock(&mutex);
    released = true;
  }
  EXPECT_THAT(waits.ReadAll(), EndsWith("\r\n\r\nn 3\n"));
  EXPECT_THAT(lasts.ReadAll(), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace s2p
