#include "rpc/health_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>

#include "tests/testing/raw_call.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;

constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";
constexpr char kServiceUnknown[] = "\x08\x03";

// An open Watch stream.
class WatchClient : public OpenCall {
 public:
  WatchClient(const std::shared_ptr<grpc::Channel>& channel, const std::string& request)
      : OpenCall(channel, "/grpc.health.v1.Health/Watch") {
    WriteLast(request);
  }
  // The next state; empty at the end.
  std::string Next() {
    std::string state;
    return Read(&state) ? state : "";
  }
};

class HealthServiceTest : public testing::Test {
 protected:
  HealthServiceTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials());
  }
  ~HealthServiceTest() override {
    health_.Stop();
    server_->Shutdown();
  }
  static std::string Named(const std::string& service) {
    return std::string{'\x0A', static_cast<char>(service.size())} + service;
  }

  HealthService health_{{{"", false}, {"a.Service", true}}};
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(HealthServiceTest, EachServiceHasItsOwnState) {
  EXPECT_EQ(Health(channel_, ""), "NOT_SERVING");
  EXPECT_EQ(Health(channel_, "a.Service"), "SERVING");
  health_.Set("", true);
  health_.Set("a.Service", false);
  EXPECT_EQ(Health(channel_, ""), "SERVING");
  EXPECT_EQ(Health(channel_, "a.Service"), "NOT_SERVING");
}

TEST_F(HealthServiceTest, UnknownNameIsNotFoundAndStaysSo) {
  EXPECT_EQ(Health(channel_, "b.Service"), "NOT_FOUND");
  health_.Set("b.Service", true);
  EXPECT_EQ(Health(channel_, "b.Service"), "NOT_FOUND");
}

TEST_F(HealthServiceTest, RequestWithoutANameAsksForTheWholeServer) {
  EXPECT_THAT(RawCall(channel_, "/grpc.health.v1.Health/Check", {""}).messages,
              ElementsAre(kNotServing));
}

TEST_F(HealthServiceTest, FieldsOfALaterProtocolArePassedOver) {
  EXPECT_THAT(
      RawCall(channel_, "/grpc.health.v1.Health/Check", {"\x10\x05" + Named("a.Service")}).messages,
      ElementsAre(kServing));
}

TEST_F(HealthServiceTest, BytesThatAreNoRequestAreInvalidArgument) {
  for (const char* method : {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"}) {
    const grpc::Status status = RawCall(channel_, method, {"\x0A\x40x"}).status;
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << method;
    EXPECT_EQ(status.error_message(), "is not a grpc.health.v1.HealthCheckRequest") << method;
  }
}

TEST_F(HealthServiceTest, WatchSendsTheStateAndEachChange) {
  WatchClient watch(channel_, Named(""));
  EXPECT_EQ(watch.Next(), kNotServing);
  health_.Set("", true);
  EXPECT_EQ(watch.Next(), kServing);
  health_.Set("a.Service", false);
  health_.Set("", false);
  EXPECT_EQ(watch.Next(), kNotServing);
}

TEST_F(HealthServiceTest, WatchOfAnUnknownNameSaysSoAndStaysOpen) {
  WatchClient watch(channel_, Named("b.Service"));
  EXPECT_EQ(watch.Next(), kServiceUnknown);
  health_.Stop();
  EXPECT_EQ(watch.Next(), "");
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthServiceTest, StopTellsWatchesAndEndsThem) {
  WatchClient watch(channel_, Named("a.Service"));
  EXPECT_EQ(watch.Next(), kServing);
  health_.Stop();
  EXPECT_EQ(watch.Next(), kNotServing);
  EXPECT_EQ(watch.Next(), "");
  EXPECT_EQ(watch.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HealthServiceTest, NothingServesAfterStop) {
  health_.Stop();
  health_.Set("", true);
  EXPECT_EQ(Health(channel_, ""), "NOT_SERVING");
  EXPECT_EQ(Health(channel_, "a.Service"), "NOT_SERVING");
}

TEST_F(HealthServiceTest, WatchBeyondTheLimitIsRefused) {
  std::deque<WatchClient> watches;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(watches.emplace_back(channel_, Named("")).Next(), kNotServing);
  }
  WatchClient another(channel_, Named(""));
  EXPECT_EQ(another.Next(), "");
  const grpc::Status status = another.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), testing::HasSubstr("1000 clients watch"));
}

TEST_F(HealthServiceTest, WatchersThatLeaveDoNotHoldTheServerUp) {
  WatchClient first(channel_, Named("")), second(channel_, Named(""));
  EXPECT_EQ(first.Next(), kNotServing);
  EXPECT_EQ(second.Next(), kNotServing);
  first.Cancel();
  EXPECT_EQ(first.Finish().error_code(), grpc::StatusCode::CANCELLED);
  health_.Set("", true);
  EXPECT_EQ(second.Next(), kServing);
}

}  // namespace
}  // namespace s2p::test
