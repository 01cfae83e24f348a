#include "rpc/watch_streams.h"

#include <atomic>
#include <thread>

#include "tests/rpc/host_fixture.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class WatchStreamsTest : public HostTest {
 protected:
  struct Watch {
    explicit Watch(v1::ModelService::Stub& stub, const std::string& authorization = "") {
      if (!authorization.empty()) context.AddMetadata("authorization", authorization);
      reader = stub.WatchModelStatus(&context, {});
    }
    // The version of the next message; -1 at the end.
    int64_t Next() {
      v1::WatchModelStatusResponse response;
      return reader->Read(&response) ? response.status().serving_version() : -1;
    }
    grpc::Status Finish() { return reader->Finish(); }
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchModelStatusResponse>> reader;
  };

  // Sends 1 and then nothing.
  static ScriptedSource::Script OneMessage() {
    return
        [sent = false](SteadyTime) mutable { return std::exchange(sent, true) ? Step() : Send(1); };
  }
};

TEST_F(WatchStreamsTest, EndedStepEndsTheStreamWell) {
  script_ = [n = 0](SteadyTime) mutable { return ++n < 3 ? Send(n) : Ended(); };
  Start();
  Watch watch(*stub_);
  EXPECT_EQ(watch.Next(), 1);
  EXPECT_EQ(watch.Next(), 2);
  EXPECT_EQ(watch.Next(), -1);
  EXPECT_THAT(watch.Finish(), IsOk());
}

TEST_F(WatchStreamsTest, ErrorOfTheSourceEndsTheStream) {
  script_ = [](SteadyTime) { return absl::DataLossError("damaged"); };
  Start();
  Watch watch(*stub_);
  EXPECT_EQ(watch.Next(), -1);
  EXPECT_THAT(watch.Finish(), StatusIs(absl::StatusCode::kDataLoss, "damaged"));
}

TEST_F(WatchStreamsTest, WakeAsksTheSourceAgain) {
  std::atomic<int64_t> version{1};
  script_ = [&version, last = int64_t{0}](SteadyTime) mutable {
    return std::exchange(last, version.load()) == version.load() ? Step() : Send(version);
  };
  Start();
  Watch watch(*stub_);
  EXPECT_EQ(watch.Next(), 1);
  version = 2;
  streams_->Wake();
  EXPECT_EQ(watch.Next(), 2);
}

TEST_F(WatchStreamsTest, SourceIsAskedAgainAtItsTime) {
  script_ = [n = 0](SteadyTime now) mutable {
    if (++n > 2) return Send(n);
    Step step;
    step.ask_again = now + absl::Milliseconds(1);
    return step;
  };
  Start();
  Watch watch(*stub_);
  EXPECT_EQ(watch.Next(), 3);
}

TEST_F(WatchStreamsTest, StreamsBeyondTheLimitAreRefusedWithATimeToComeBack) {
  watch_options_.max_streams = 1;
  script_ = OneMessage();
  Start();
  Watch first(*stub_);
  EXPECT_EQ(first.Next(), 1);
  Watch second(*stub_);
  EXPECT_EQ(second.Next(), -1);
  EXPECT_THAT(second.Finish(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("1 clients watch")));
  EXPECT_EQ(Trailing(second.context, "grpc-retry-pushback-ms"), "10000");
}

TEST_F(WatchStreamsTest, CallerWithAllStreamsLeavesOthersTheirShare) {
  options_.credentials.api_key_file = dir_.File("keys");
  std::ofstream(options_.credentials.api_key_file) << "0123456789abcdef\nfedcba9876543210\n";
  std::filesystem::permissions(options_.credentials.api_key_file,
                               std::filesystem::perms::owner_read);
  watch_options_.max_streams = 2;
  script_ = OneMessage();
  Start();
  const std::string greedy = "Bearer 0123456789abcdef", modest = "Bearer fedcba9876543210";
  Watch first(*stub_, greedy), second(*stub_, greedy);
  EXPECT_EQ(first.Next(), 1);
  EXPECT_EQ(second.Next(), 1);
  Watch third(*stub_, greedy);
  EXPECT_EQ(third.Next(), -1);
  EXPECT_THAT(third.Finish(), StatusIs(absl::StatusCode::kResourceExhausted));
  Watch other(*stub_, modest);
  EXPECT_EQ(other.Next(), 1);
}

TEST_F(WatchStreamsTest, ClientThatLeavesMakesRoom) {
  watch_options_.max_streams = 1;
  script_ = OneMessage();
  Start();
  {
    Watch leaver(*stub_);
    EXPECT_EQ(leaver.Next(), 1);
    leaver.context.TryCancel();
    EXPECT_THAT(leaver.Finish(), StatusIs(absl::StatusCode::kCancelled));
  }
  // The server learns of it a moment later.
  for (;;) {
    Watch next(*stub_);
    if (next.Next() == 1) break;
    std::this_thread::yield();
  }
}

TEST_F(WatchStreamsTest, StopEndsStreamsAndRefusesNewOnes) {
  script_ = OneMessage();
  Start();
  Watch watch(*stub_);
  EXPECT_EQ(watch.Next(), 1);
  streams_->Stop(absl::InfiniteDuration());
  EXPECT_EQ(watch.Next(), -1);
  EXPECT_THAT(watch.Finish(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shutting down")));
  Watch late(*stub_);
  EXPECT_EQ(late.Next(), -1);
  EXPECT_THAT(late.Finish(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(WatchStreamsTest, StopCancelsAClientThatDoesNotRead) {
  // Far more than a connection buffers.
  const std::string large(1 << 20, 'x');
  std::atomic<int> sent{0};
  script_ = [&](SteadyTime) {
    ++sent;
    Step step;
    step.response.emplace().mutable_status()->set_device(large);
    return step;
  };
  Start();
  Watch watch(*stub_);
  EXPECT_EQ(watch.Next(), 0);
  streams_->Stop(absl::ZeroDuration());
  while (watch.Next() != -1) {
  }
  EXPECT_FALSE(watch.Finish().ok());
}

}  // namespace
}  // namespace s2p::test
