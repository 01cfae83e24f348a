// A gRPC host with one service whose calls a test scripts, and a stub to call it.
#ifndef S2P_TESTS_RPC_HOST_FIXTURE_H_
#define S2P_TESTS_RPC_HOST_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "rpc/grpc_host.h"
#include "rpc/rpc_service.h"
#include "rpc/watch_streams.h"
#include "s2p/v1/model.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {

using Step = WatchStep<v1::WatchModelStatusResponse>;
using Streams = WatchStreams<v1::WatchModelStatusRequest, v1::WatchModelStatusResponse>;

// A step that sends this version.
inline Step Send(int64_t version) {
  Step step;
  step.response.emplace().mutable_status()->set_serving_version(version);
  return step;
}
inline Step Ended() {
  Step step;
  step.ended = true;
  return step;
}

class ScriptedSource final : public WatchSource<v1::WatchModelStatusResponse> {
 public:
  using Script = std::function<absl::StatusOr<Step>(SteadyTime)>;
  explicit ScriptedSource(Script script) : script_(std::move(script)) {}
  absl::StatusOr<Step> Next(SteadyTime now) override { return script_(now); }

 private:
  const Script script_;
};

// A text of metrics that counts one attempt to read files again.
inline testing::Matcher<std::string> HasReload(const std::string& files,
                                               const std::string& result) {
  const std::string one = "files=\"" + files + "\"", other = "result=\"" + result + "\"";
  return testing::AnyOf(testing::HasSubstr("s2p_reloads_total{" + one + "," + other + "} 1"),
                        testing::HasSubstr("s2p_reloads_total{" + other + "," + one + "} 1"));
}

class HostTest : public testing::Test {
 protected:
  HostTest() {
    options_.listen = "127.0.0.1:0";
    options_.http = "127.0.0.1:0";
  }
  ~HostTest() override { End(); }

  void Create() {
    host_ = *GrpcHost::Create(options_, {{kWholeServer, false}, {kName, true}}, &metrics_);
    streams_ = std::make_unique<Streams>(watch_options_);
    service_ = std::make_unique<Service>(this);
  }
  void Start() {
    Create();
    ASSERT_THAT(host_->Start(
                    {service_.get()}, [] { return ""; }, [] { return true; }),
                IsOk());
    channel_ = grpc::CreateChannel(host_->address(), grpc::InsecureChannelCredentials());
    stub_ = v1::ModelService::NewStub(channel_);
  }
  // Ends the calls as a program would.
  void End(absl::Duration drain = absl::ZeroDuration()) {
    if (host_ == nullptr) return;
    host_->EndCalls(drain, {[this](absl::Duration grace) { streams_->Stop(grace); },
                            [this] { pool_.Close(); }});
    pool_.Stop();
    host_->Close();
  }

  // One call that does `work_`.
  grpc::Status Call(grpc::ClientContext* context) {
    v1::GetModelStatusResponse response;
    return stub_->GetModelStatus(context, {}, &response);
  }
  grpc::Status Call() {
    grpc::ClientContext context;
    return Call(&context);
  }
  // Serves only those who have this key.
  static constexpr char kKey[] = "0123456789abcdef";
  void AskForKey() {
    options_.credentials.api_key_file = dir_.File("keys");
    std::ofstream(options_.credentials.api_key_file) << kKey << "\n";
    std::filesystem::permissions(options_.credentials.api_key_file,
                                 std::filesystem::perms::owner_read);
  }
  static std::string Trailing(const grpc::ClientContext& context, const std::string& key) {
    const auto found = context.GetServerTrailingMetadata().find(key);
    if (found == context.GetServerTrailingMetadata().end()) return "";
    return std::string(found->second.data(), found->second.size());
  }

  static constexpr char kName[] = "s2p.v1.ModelService";
  TempDir dir_;
  GrpcHostOptions options_;
  WatchStreamsOptions watch_options_;
  CallCost cost_;
  std::function<absl::Status()> work_ = [] { return absl::OkStatus(); };
  ScriptedSource::Script script_ = [](SteadyTime) { return Step(); };
  std::unique_ptr<Streams> streams_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ModelService::Stub> stub_;

 private:
  class Service final : public RpcService {
   public:
    explicit Service(HostTest* test)
        : RpcService(kName, test->host_->gate()),
          make_source_([test](const v1::WatchModelStatusRequest&) {
            return std::make_unique<ScriptedSource>(test->script_);
          }) {
      AddUnary<v1::GetModelStatusRequest, v1::GetModelStatusResponse>(
          "GetModelStatus", test->cost_, &test->pool_,
          [test](const auto&, auto&) { return test->work_(); });
      AddUnary<v1::SetServingVersionRequest, v1::SetServingVersionResponse>(
          "SetServingVersion", test->cost_, [](auto* call) { call->Answer(absl::OkStatus()); });
      CallCost watch;
      watch.default_deadline = absl::InfiniteDuration();
      Add("WatchModelStatus", watch, v1::WatchModelStatusRequest::descriptor(),
          /*is_stream=*/true,
          [this, test](const RpcMethod* method, CallGate* gate,
                       grpc::CallbackServerContext* context) {
            return test->streams_->NewCall(method, gate, context, &make_source_);
          });
    }

   private:
    const Streams::MakeSource make_source_;
  };

 protected:
  RpcMetrics metrics_{{kName}, {{"version", "1.2.3"}}};
  WorkerPool pool_{2, 10};
  std::unique_ptr<GrpcHost> host_;
  std::unique_ptr<Service> service_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_RPC_HOST_FIXTURE_H_
