#include "rpc/rpc_call.h"

#include <atomic>
#include <chrono>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/key_file.h"
#include "tests/rpc/host_fixture.h"
#include "tests/testing/raw_call.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

constexpr char kMethod[] = "/s2p.v1.ModelService/GetModelStatus";

// A service that counts the messages that it gets, and one whose calls never stop writing.
class CountingService final : public RpcService {
 public:
  explicit CountingService(CallGate* gate) : RpcService("test.Counting", gate) {
    CallCost cost;
    cost.max_message_bytes = size_t{16} << 20;
    Add("Count", cost, nullptr, /*is_stream=*/false,
        [this](const RpcMethod* method, CallGate* called, grpc::CallbackServerContext* context) {
          return new CountCall(method, called, context, &messages);
        });
    cost.default_deadline = absl::Milliseconds(50);
    Add("Flood", cost, nullptr, /*is_stream=*/true,
        [this](const RpcMethod* method, CallGate* called, grpc::CallbackServerContext* context) {
          return new FloodCall(method, called, context, &flood_ended);
        });
  }
  std::atomic<int> messages{0};
  absl::Notification flood_ended;

 private:
  class CountCall final : public OneRequestCall {
   public:
    CountCall(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context,
              std::atomic<int>* messages)
        : OneRequestCall(method, gate, context), messages_(*messages) {}
    absl::Status OnMessage(grpc::ByteBuffer) override {
      ++messages_;
      return absl::OkStatus();
    }
    void OnRequest() override { End(absl::OkStatus()); }

   private:
    std::atomic<int>& messages_;
  };
  class FloodCall final : public OneRequestCall {
   public:
    FloodCall(const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* context,
              absl::Notification* ended)
        : OneRequestCall(method, gate, context), ended_(*ended) {}
    absl::Status OnMessage(grpc::ByteBuffer) override { return absl::OkStatus(); }
    void OnRequest() override { StartWrite(&bytes_); }
    void OnWriteDone(bool ok) override {
      if (!ok) return End(absl::CancelledError("the client is gone"));
      StartWrite(&bytes_);
    }
    void OnEnd() override { ended_.Notify(); }

   private:
    absl::Notification& ended_;
    const grpc::ByteBuffer bytes_ = ToByteBuffer(std::string(size_t{1} << 20, 'x'));
  };
};

class RpcCallTest : public HostTest {
 protected:
  void StartCounting() {
    Create();
    counting_ = std::make_unique<CountingService>(host_->gate());
    ASSERT_THAT(host_->Start(
                    {service_.get(), counting_.get()}, [] { return ""; }, [] { return true; }),
                IsOk());
    channel_ = grpc::CreateChannel(host_->address(), grpc::InsecureChannelCredentials());
  }
  ~RpcCallTest() override { End(); }
  // A call whose client gives it a year, and which has sent its headers.
  using Stream = grpc::ClientReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;
  std::unique_ptr<Stream> Patient(const char* method) {
    using grpc::internal::RpcMethod;
    year_.set_deadline(std::chrono::system_clock::now() + std::chrono::hours(24 * 365));
    return std::unique_ptr<Stream>(
        grpc::internal::ClientReaderWriterFactory<grpc::ByteBuffer, grpc::ByteBuffer>::Create(
            channel_.get(), RpcMethod(method, RpcMethod::BIDI_STREAMING), &year_));
  }
  std::unique_ptr<CountingService> counting_;
  grpc::ClientContext year_;
};

TEST_F(RpcCallTest, CallerWithoutAKeyIsRefusedBeforeAMessageIsSent) {
  AskForKey();
  Start();
  OpenCall call(channel_, kMethod);
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(RpcCallTest, LargeMessageOfACallerWithoutAKeyReachesNobody) {
  AskForKey();
  StartCounting();
  const std::string large((size_t{16} << 20) - 1024, 'x');
  OpenCall stranger(channel_, "/test.Counting/Count");
  stranger.Write(large);
  EXPECT_EQ(stranger.Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(counting_->messages, 0);
  OpenCall known(channel_, "/test.Counting/Count",
                 {{"authorization", absl::StrCat("Bearer ", kKey)}});
  known.Write(large);
  EXPECT_THAT(known.Finish(), IsOk());
  EXPECT_EQ(counting_->messages, 1);
}

TEST_F(RpcCallTest, MessageBeyondTheMemoryOfConnectionsIsRefusedBeforeItHasCome) {
  options_.connections.memory_bytes = size_t{16} << 20;
  StartCounting();
  OpenCall call(channel_, "/test.Counting/Count");
  call.Write(std::string(size_t{64} << 20, 'x'));
  // gRPC finds a message larger than its limit when all of it has come.
  EXPECT_THAT(call.Finish(), StatusIs(absl::StatusCode::kResourceExhausted,
                                      testing::Not(HasSubstr("larger than max"))));
  EXPECT_EQ(counting_->messages, 0);
}

TEST_F(RpcCallTest, MessageAboveTheLimitOfItsMethodIsNotParsed) {
  cost_.max_message_bytes = 10;
  Start();
  EXPECT_THAT(RawCall(channel_, kMethod, {std::string(11, '\xFF')}).status,
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("11 bytes; GetModelStatus takes at most 10")));
  // The parser says what is wrong with ten bytes.
  EXPECT_THAT(RawCall(channel_, kMethod, {std::string(10, '\xFF')}).status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("GetModelStatusRequest")));
}

TEST_F(RpcCallTest, CallThatSendsNothingEndsAfterTheTimeForItsMessage) {
  cost_.first_message = absl::Milliseconds(1);
  Start();
  OpenCall call(channel_, kMethod);
  EXPECT_THAT(call.Finish(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                      HasSubstr("no message came within 1ms")));
}

TEST_F(RpcCallTest, WorkIsNotStartedAfterTheDefaultDeadline) {
  cost_.default_deadline = absl::Nanoseconds(1);
  std::atomic<int> runs{0};
  work_ = [&] {
    ++runs;
    return absl::OkStatus();
  };
  Start();
  EXPECT_EQ(Call().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(runs, 0);
}

TEST_F(RpcCallTest, DeadlineOfTheClientWinsOverTheDefault) {
  cost_.default_deadline = absl::Nanoseconds(1);
  Start();
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Hours(1)));
  EXPECT_THAT(Call(&context), IsOk());
}

TEST_F(RpcCallTest, StreamThatIsNotReadIsCancelledAtTheDefaultDeadline) {
  StartCounting();
  OpenCall call(channel_, "/test.Counting/Flood");
  ASSERT_TRUE(call.Write("go"));
  counting_->flood_ended.WaitForNotification();
  while (call.Read()) {
  }
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RpcCallTest, LongDeadlineOfTheClientDoesNotSwitchOffTheLimitOfTheFirstMessage) {
  cost_.default_deadline = absl::Nanoseconds(1);
  cost_.first_message = absl::Milliseconds(1);
  Start();
  EXPECT_THAT(Patient(kMethod)->Finish(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                                   HasSubstr("no message came within 1ms")));
}

TEST_F(RpcCallTest, LongDeadlineOfTheClientDoesNotKeepAStreamThatIsNotRead) {
  StartCounting();
  const auto call = Patient("/test.Counting/Flood");
  ASSERT_TRUE(call->Write(ToByteBuffer("go")));
  counting_->flood_ended.WaitForNotification();
  for (grpc::ByteBuffer message; call->Read(&message);) {
  }
  EXPECT_EQ(call->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(RpcCallTest, RefusedCallOfAMethodThatTheTableLacksIsRecordedByItsName) {
  options_.credentials.api_key_file = dir_.File("keys");
  const std::string key = *AddKey(dir_.File("keys"), "web", {Role::kSearch});
  options_.access.audit_log = dir_.File("audit");
  StartCounting();
  OpenCall call(channel_, "/test.Counting/Count", {{"authorization", "Bearer " + key}});
  EXPECT_EQ(call.Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  std::ostringstream audit;
  audit << std::ifstream(dir_.File("audit")).rdbuf();
  EXPECT_THAT(audit.str(), HasSubstr(R"("method":"Count")"));
}

TEST_F(RpcCallTest, SecondMessageOfAUnaryCallIsIgnored) {
  Start();
  EXPECT_THAT(RawCall(channel_, kMethod, {"", ""}).status, IsOk());
}

}  // namespace
}  // namespace s2p::test
