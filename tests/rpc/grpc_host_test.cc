#include "rpc/grpc_host.h"

#include <atomic>
#include <fstream>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/rpc/host_fixture.h"
#include "tests/testing/raw_call.h"

namespace s2p::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

class GrpcHostTest : public HostTest {};

TEST_F(GrpcHostTest, TakenPortsAreNamed) {
  Start();
  GrpcHostOptions options = options_;
  options.listen = host_->address();
  auto second = *GrpcHost::Create(options, {}, &metrics_);
  EXPECT_THAT(second->Start({}, nullptr, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(host_->address())));
  options.listen = "127.0.0.1:0";
  options.http = host_->http_address();
  auto third = *GrpcHost::Create(options, {}, &metrics_);
  EXPECT_THAT(third->Start({}, nullptr, nullptr),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(host_->http_address())));
}

TEST_F(GrpcHostTest, BadOptionsAreNamedBeforeAPortOpens) {
  options_.credentials.api_key_file = dir_.File("none");
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir_.File("none"))));
  options_.credentials.api_key_file = "";
  options_.listen = "0.0.0.0:0";
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--insecure")));
}

TEST_F(GrpcHostTest, MetricsBeyondLoopbackNeedTlsOrAFlagThatSaysSo) {
  options_.http = "0.0.0.0:0";
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("0.0.0.0:0 would let others in without protection: give "
                                 "--http-tls-cert and --http-tls-key, or --insecure-http")));
  options_.insecure_http = true;
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_), IsOk());
  // It opens nothing else.
  options_.listen = "0.0.0.0:0";
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--insecure ")));
  options_.insecure_http = false;
  options_.credentials.insecure = true;
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_), IsOk());
}

TEST_F(GrpcHostTest, MetricsOverTlsMayBeBeyondLoopback) {
  options_.http = "0.0.0.0:0";
  options_.http_tls.cert = dir_.File("cert");
  options_.http_tls.key = dir_.File("key");
  EXPECT_THAT(GrpcHost::Create(options_, {}, &metrics_), IsOk());
}

TEST_F(GrpcHostTest, ListensOnASocketFile) {
  options_.listen = "unix:" + dir_.File("s");
  Start();
  EXPECT_EQ(host_->address(), options_.listen);
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(GrpcHostTest, HealthFollowsWhatIsSet) {
  Start();
  EXPECT_EQ(Health(channel_, ""), "NOT_SERVING");
  EXPECT_EQ(Health(channel_, kName), "SERVING");
  host_->SetServing(kWholeServer, true);
  EXPECT_EQ(Health(channel_, ""), "SERVING");
}

TEST_F(GrpcHostTest, NothingServesWhileCallsEnd) {
  Start();
  absl::Notification started, go_on;
  work_ = [&] {
    started.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  grpc::Status status;
  std::thread caller([&] { status = Call(); });
  started.WaitForNotification();
  std::string health;
  CallsEnd end;
  end.stop_streams = [&](absl::Duration) {
    health = Health(channel_, kName);
    go_on.Notify();
    caller.join();
  };
  host_->EndCalls(absl::ZeroDuration(), end);
  EXPECT_EQ(health, "NOT_SERVING");
  EXPECT_THAT(status, IsOk());
}

TEST_F(GrpcHostTest, CallsAreAnsweredAfterServingHasStopped) {
  Start();
  EXPECT_EQ(Health(channel_, kName), "SERVING");
  host_->StopServing();
  EXPECT_EQ(Health(channel_, kName), "NOT_SERVING");
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(GrpcHostTest, WorkThatWaitsIsAbandonedWhileACallStillRuns) {
  Start();
  absl::Notification started, abandoned;
  work_ = [&] {
    started.Notify();
    abandoned.WaitForNotification();
    return absl::OkStatus();
  };
  std::thread caller([&] { Call(); });
  started.WaitForNotification();
  CallsEnd end;
  end.abandon = [&] { abandoned.Notify(); };
  // Would never return if it waited for the call first.
  host_->EndCalls(absl::ZeroDuration(), end);
  caller.join();
}

TEST_F(GrpcHostTest, CallBeyondTheStreamsOfAConnectionWaitsForAnother) {
  options_.connections.streams = 1;
  Start();
  absl::Notification started, resume;
  std::atomic<bool> is_first{true};
  work_ = [&] {
    if (!is_first.exchange(false)) return absl::OkStatus();
    started.Notify();
    resume.WaitForNotification();
    return absl::OkStatus();
  };
  std::thread first([&] { EXPECT_THAT(Call(), IsOk()); });
  started.WaitForNotification();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  EXPECT_EQ(Call(&context).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  resume.Notify();
  first.join();
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(GrpcHostTest, HeadersAboveTheLimitAreRefused) {
  options_.connections.metadata_bytes = 1000;
  Start();
  grpc::ClientContext context;
  context.AddMetadata("long", std::string(2000, 'x'));
  EXPECT_EQ(Call(&context).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // gRPC may close the connection that sent them. Every other one is served.
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  stub_ = v1::ModelService::NewStub(
      grpc::CreateCustomChannel(host_->address(), grpc::InsecureChannelCredentials(), args));
  EXPECT_THAT(Call(), IsOk());
}

TEST_F(GrpcHostTest, ConnectionWithoutCallsIsClosed) {
  options_.connections.idle = absl::Milliseconds(1);
  Start();
  EXPECT_THAT(Call(), IsOk());
  EXPECT_TRUE(
      channel_->WaitForStateChange(GRPC_CHANNEL_READY, gpr_inf_future(GPR_CLOCK_MONOTONIC)));
}

TEST_F(GrpcHostTest, OldConnectionIsClosedThoughACallIsOpen) {
  options_.connections.age = absl::Milliseconds(1);
  options_.connections.age_grace = absl::Milliseconds(1);
  Start();
  // Sends nothing, so it would last as long as its client.
  grpc::ClientContext context;
  v1::WatchModelStatusResponse response;
  auto watch = stub_->WatchModelStatus(&context, {});
  EXPECT_FALSE(watch->Read(&response));
  EXPECT_FALSE(watch->Finish().ok());
}

TEST_F(GrpcHostTest, StreamsHaveFiveSecondsOfALongDrain) {
  Start();
  absl::Duration grace;
  host_->EndCalls(absl::Hours(1), {[&](absl::Duration given) { grace = given; }, nullptr});
  EXPECT_EQ(grace, absl::Seconds(5));
}

TEST_F(GrpcHostTest, CallBringsItsRequestIdBack) {
  Start();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "my-own-id");
  EXPECT_THAT(Call(&context), IsOk());
  EXPECT_EQ(Trailing(context, "x-request-id"), "my-own-id");
  grpc::ClientContext without;
  Call(&without);
  EXPECT_THAT(Trailing(without, "x-request-id"), SizeIs(32));
}

TEST_F(GrpcHostTest, CallWithoutTheKeyIsRefusedAndCounted) {
  AskForKey();
  Start();
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer 0123456789abcdef");
  EXPECT_THAT(Call(&context), IsOk());
  EXPECT_THAT(metrics_.Text(),
              AnyOf(HasSubstr(R"({code="UNAUTHENTICATED",method="GetModelStatus"} 1)"),
                    HasSubstr(R"({method="GetModelStatus",code="UNAUTHENTICATED"} 1)")));
}

TEST_F(GrpcHostTest, FullPoolSaysWhenToComeBack) {
  Start();
  work_ = [] { return BusyError("full", absl::Milliseconds(70)); };
  grpc::ClientContext context;
  EXPECT_EQ(Call(&context).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(Trailing(context, "grpc-retry-pushback-ms"), "70");
}

TEST_F(GrpcHostTest, MethodOfAnotherServiceIsNotCounted) {
  metrics_.CountRequest("Search", absl::StatusCode::kOk, absl::Seconds(1));
  EXPECT_THAT(metrics_.Text(), Not(HasSubstr("Search")));
}

}  // namespace
}  // namespace s2p::test
