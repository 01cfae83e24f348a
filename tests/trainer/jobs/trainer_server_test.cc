#include "trainer/jobs/trainer_server.h"

#include <arpa/inet.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/numbers.h"
#include "base/key_file.h"
#include "daemon/log.h"
#include "tests/testing/raw_call.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/jobs/trainer_fixture.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// The complete response of the HTTP endpoint.
std::string HttpGet(const std::string& address, const std::string& path) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0 &&
      send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
    char buffer[4096];
    for (ssize_t n; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
      answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

// Calls a method without a stub with an empty request; returns the bytes of the reply.
std::string CallEmpty(const std::string& address, const std::string& method) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  grpc::Status status;
  auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return absl::StrCat("code ", status.error_code());
  std::vector<grpc::Slice> slices;
  EXPECT_THAT(response.Dump(&slices), IsOk());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// The id that the trailing metadata of a finished call carries.
std::string RequestIdOf(const grpc::ClientContext& context) {
  const auto& trailing = context.GetServerTrailingMetadata();
  const auto found = trailing.find("x-request-id");
  return found == trailing.end() ? "" : std::string(found->second.data(), found->second.size());
}

class TrainerServerTest : public TrainerTest {
 protected:
  void Restart() {
    server_.reset();
    Start();
  }
  void ExpectRefused(absl::StatusCode code, const std::string& words) {
    const absl::Status status = TrainerServer::Start(options_, &runner_).status();
    EXPECT_EQ(status.code(), code);
    EXPECT_THAT(status.message(), HasSubstr(words));
  }
};

TEST_F(TrainerServerTest, SecondTrainerOnTheFolderIsRefused) {
  Start();
  ExpectRefused(absl::StatusCode::kFailedPrecondition, options_.state_dir + ": in use");
}

TEST_F(TrainerServerTest, TakenPortsAreNamed) {
  Start();
  options_.state_dir = dir_.File("other");
  options_.host.listen = server_->address();
  ExpectRefused(absl::StatusCode::kUnavailable, server_->address());
  options_.host.listen = "127.0.0.1:0";
  options_.host.http = server_->http_address();
  ExpectRefused(absl::StatusCode::kUnavailable, server_->http_address());
}

TEST_F(TrainerServerTest, BadOptionsAreNamed) {
  options_.max_running = 0;
  ExpectRefused(absl::StatusCode::kInvalidArgument, "max_running");
  options_.max_running = 1;
  options_.watch_interval = absl::ZeroDuration();
  ExpectRefused(absl::StatusCode::kInvalidArgument, "watch_interval");
  options_.watch_interval = absl::Seconds(1);
  options_.heartbeat = absl::ZeroDuration();
  ExpectRefused(absl::StatusCode::kInvalidArgument, "heartbeat");
  options_.heartbeat = absl::Seconds(1);
  options_.state_dir = "";
  ExpectRefused(absl::StatusCode::kInvalidArgument, "state_dir");
}

TEST_F(TrainerServerTest, BeyondLoopbackNeedsTlsOrInsecure) {
  options_.host.listen = "0.0.0.0:0";
  ExpectRefused(absl::StatusCode::kInvalidArgument, "--insecure");
  options_.host.credentials.insecure = true;
  EXPECT_THAT(TrainerServer::Start(options_, &runner_), IsOk());
}

TEST_F(TrainerServerTest, EveryMethodAsksForTheKey) {
  options_.host.credentials.api_key_file = dir_.File("keys");
  std::ofstream(options_.host.credentials.api_key_file) << "0123456789abcdef\n";
  chmod(options_.host.credentials.api_key_file.c_str(), 0600);
  Start();
  v1::SubmitJobRequest request;
  request.mutable_spec();
  v1::Job job;
  v1::ListJobsResponse list;
  EXPECT_EQ(Submit(request, &job).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Get("x", &job).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(List({}, &list).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Cancel("x", &job).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  auto watch = Watch("x");
  EXPECT_THAT(watch->All(), IsEmpty());
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);

  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer 0123456789abcdef");
  EXPECT_THAT(stub_->ListJobs(&context, {}, &list), IsOk());
}

TEST_F(TrainerServerTest, KeyForSearchesSubmitsNoJobs) {
  options_.host.credentials.api_key_file = dir_.File("keys");
  const std::string key =
      AddKey(options_.host.credentials.api_key_file, "web", {Role::kSearch}).value();
  Start();
  grpc::ClientContext context;
  context.AddMetadata("authorization", "Bearer " + key);
  v1::SubmitJobRequest request;
  request.mutable_spec();
  v1::SubmitJobResponse response;
  const grpc::Status status = stub_->SubmitJob(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "SubmitJob needs a key with the role train");
}

TEST_F(TrainerServerTest, HealthAndReflectionAnswer) {
  Start();
  // HealthCheckResponse { status: SERVING }.
  EXPECT_EQ(CallEmpty(server_->address(), "/grpc.health.v1.Health/Check"), "\x08\x01");
  // ServerReflectionResponse { original_request: {}, error_response { error_code: UNIMPLEMENTED }
  // }: the service exists, and refuses an empty request.
  EXPECT_EQ(CallEmpty(server_->address(),
                      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"),
            std::string("\x12\x00:\x02\x08\x0c", 6));
}

TEST_F(TrainerServerTest, HealthKnowsTheServiceByItsName) {
  Start();
  const auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  EXPECT_EQ(Health(channel, "s2p.v1.TrainingService"), "SERVING");
  EXPECT_EQ(Health(channel, ""), "SERVING");
  EXPECT_EQ(Health(channel, "s2p.v1.SearchService"), "NOT_FOUND");
}

TEST_F(TrainerServerTest, UnreadableRequestIsInvalidArgumentOnEveryMethod) {
  Start();
  const auto channel = grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials());
  const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      v1::TrainingService::service_full_name());
  EXPECT_EQ(service->method_count(), 6);
  for (int i = 0; i < service->method_count(); ++i) {
    const auto* method = service->method(i);
    const std::string path = absl::StrCat("/", service->full_name(), "/", method->name());
    const grpc::Status status = RawCall(channel, path, {"\xFF\xFF\xFF"}).status;
    ExpectError(status, grpc::StatusCode::INVALID_ARGUMENT, method->input_type()->full_name());
  }
}

TEST_F(TrainerServerTest, HttpShowsLifeAndMetrics) {
  Start();
  EXPECT_THAT(HttpGet(server_->http_address(), "/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(HttpGet(server_->http_address(), "/readyz"), StartsWith("HTTP/1.1 200"));
  MustSubmit();
  MustSubmit();
  auto run = runner_.NextRun();
  v1::TrainingProgress progress = ProgressOf(3, 1, 0.5);
  progress.set_rank1(0.25);
  run->Progress(progress);
  const std::string metrics = HttpGet(server_->http_address(), "/metrics");
  for (const char* line :
       {"s2p_train_jobs{state=\"queued\"} 1\n", "s2p_train_jobs{state=\"running\"} 1\n",
        "s2p_train_jobs{state=\"paused\"} 0\n", "s2p_train_epoch 3\n",
        "s2p_train_loss{term=\"total\"} 0.5\n", "s2p_train_rank1 0.25\n", "s2p_train_map 0\n",
        "s2p_train_images_total 48\n", "s2p_train_step_seconds_count 0\n",
        "s2p_train_published_total{result=\"published\"} 0\n",
        "s2p_build_info{version=\"unknown\"} 1\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
}

TEST_F(TrainerServerTest, EveryMetricHasAHelpText) {
  Start();
  std::set<std::string> helped, typed;
  std::istringstream metrics(HttpGet(server_->http_address(), "/metrics"));
  for (std::string line; std::getline(metrics, line);) {
    std::istringstream words(line);
    std::string hash, kind, name, text;
    words >> hash >> kind >> name >> text;
    if (kind == "HELP" && !text.empty()) helped.insert(name);
    if (kind == "TYPE") typed.insert(name);
  }
  EXPECT_EQ(helped, typed);
  // Metrics without a value are not shown.
  EXPECT_THAT(typed, testing::IsSupersetOf(
                         {"s2p_request_seconds", "s2p_train_jobs", "s2p_train_epoch",
                          "s2p_train_step_seconds", "s2p_train_images_total", "s2p_train_rank1",
                          "s2p_train_map", "s2p_train_published_total", "s2p_build_info"}));
}

TEST_F(TrainerServerTest, EveryKindOfCallBringsItsRequestIdBack) {
  Start();
  std::vector<std::string> ids;
  const auto call = [&](const std::function<void(grpc::ClientContext*)>& work) {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "my-own-id");
    work(&context);
    ids.push_back(RequestIdOf(context));
  };
  call([&](grpc::ClientContext* context) {
    v1::SubmitJobResponse response;
    stub_->SubmitJob(context, {}, &response);
  });
  call([&](grpc::ClientContext* context) {
    v1::GetJobResponse response;
    stub_->GetJob(context, {}, &response);
  });
  call([&](grpc::ClientContext* context) {
    v1::ListJobsResponse response;
    stub_->ListJobs(context, {}, &response);
  });
  call([&](grpc::ClientContext* context) {
    v1::CancelJobResponse response;
    stub_->CancelJob(context, {}, &response);
  });
  call([&](grpc::ClientContext* context) { stub_->WatchJob(context, {})->Finish(); });
  EXPECT_THAT(ids, AllOf(SizeIs(5), Each(std::string("my-own-id"))));
}

TEST_F(TrainerServerTest, CallWithoutAnIdGetsOneOfItsOwn) {
  Start();
  std::set<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
    stub_->ListJobs(&context, {}, &response);
    ids.insert(RequestIdOf(context));
  }
  EXPECT_THAT(ids, AllOf(SizeIs(3), Each(SizeIs(32))));
}

TEST_F(TrainerServerTest, CallIsInTheLogWithItsId) {
  std::ostringstream log;
  LogOptions log_options;
  log_options.level = "debug";
  ASSERT_THAT(ConfigureLog(log_options, &log), IsOk());
  Start();
  grpc::ClientContext context;
  context.AddMetadata("x-request-id", "quiet-one");
  v1::GetJobRequest request;
  v1::GetJobResponse response;
  EXPECT_EQ(stub_->GetJob(&context, request, &response).error_code(), grpc::StatusCode::NOT_FOUND);
  server_.reset();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), HasSubstr("call method=GetJob code=NOT_FOUND request_id=quiet-one"));
}

TEST_F(TrainerServerTest, SlowCallIsAWarningWithItsId) {
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  options_.host.call_log.slow = absl::Nanoseconds(1);
  Start();
  MustSubmit();
  server_.reset();
  ASSERT_THAT(ConfigureLog(LogOptions()), IsOk());
  EXPECT_THAT(log.str(), HasSubstr("slow call method=SubmitJob code=OK request_id="));
}

TEST_F(TrainerServerTest, CallsAreCountedByTheirCodes) {
  Start();
  v1::Job job;
  EXPECT_EQ(Get("x", &job).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Get("y", &job).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_THAT(Get(MustSubmit(), &job), IsOk());
  Watch("x")->Finish();
  const std::string metrics = HttpGet(server_->http_address(), "/metrics");
  const auto counted = [](const std::string& method, const std::string& code, int count) {
    const std::string m = "method=\"" + method + "\"", c = "code=\"" + code + "\"";
    return AnyOf(HasSubstr(absl::StrCat("s2p_requests_total{", m, ",", c, "} ", count, "\n")),
                 HasSubstr(absl::StrCat("s2p_requests_total{", c, ",", m, "} ", count, "\n")));
  };
  EXPECT_THAT(metrics, AllOf(counted("GetJob", "NOT_FOUND", 2), counted("GetJob", "OK", 1),
                             counted("SubmitJob", "OK", 1), counted("WatchJob", "NOT_FOUND", 1),
                             HasSubstr("s2p_request_seconds_count{method=\"GetJob\"} 3\n")));
}

TEST_F(TrainerServerTest, RunningJobGoesOnAfterARestart) {
  Start();
  const std::string first = MustSubmit("a"), second = MustSubmit("b");
  runner_.NextRun();
  Restart();
  auto run = runner_.NextRun();
  EXPECT_EQ(run->job().job_id(), first);
  run->End(Published(1));
  EXPECT_THAT(Watch(first)->All(), ElementsAre("1 QUEUED queued", "2 RUNNING started",
                                               "3 QUEUED resumes where the trainer was interrupted",
                                               "4 RUNNING resumed", "5 SUCCEEDED published"));
  EXPECT_EQ(runner_.NextRun()->job().job_id(), second);
}

TEST_F(TrainerServerTest, SilentStreamRepeatsTheLastEvent) {
  options_.heartbeat = absl::Milliseconds(1);
  Start();
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  auto watch = Watch(id, 2);
  EXPECT_EQ(watch->Next(), "2 RUNNING started");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(watch->Next(), "2 RUNNING ");
}

TEST_F(TrainerServerTest, WatchersBeyondTheLimitAreRefused) {
  options_.max_watchers = 1;
  Start();
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  auto first = Watch(id);
  EXPECT_EQ(first->Next(), "1 QUEUED queued");
  auto second = Watch(id);
  EXPECT_EQ(second->Next(), "");
  ExpectError(second->Finish(), grpc::StatusCode::RESOURCE_EXHAUSTED, "1 clients watch");
  run->End(Published(1));
  first->All();
  EXPECT_THAT(first->Finish(), IsOk());
}

TEST_F(TrainerServerTest, ShutdownEndsStreamsAndRefusesJobs) {
  Start();
  const std::string id = MustSubmit();
  runner_.NextRun();
  auto watch = Watch(id, 2);
  EXPECT_EQ(watch->Next(), "2 RUNNING started");
  server_->Shutdown(absl::InfiniteDuration());
  EXPECT_FALSE(server_->ready());
  EXPECT_EQ(watch->Next(), "");
  ExpectError(watch->Finish(), grpc::StatusCode::UNAVAILABLE, "shutting down");
  v1::SubmitJobRequest request;
  request.mutable_spec();
  v1::Job job;
  EXPECT_EQ(Submit(request, &job).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TrainerServerTest, ShutdownDoesNotWaitForAClientThatDoesNotRead) {
  Start();
  const std::string id = MustSubmit();
  auto run = runner_.NextRun();
  auto idle = Watch(id);
  EXPECT_EQ(idle->Next(), "1 QUEUED queued");
  run->Do([](const JobObserver& observer) {
    for (int i = 0; i < 300; ++i) observer.on_message(std::string(16'000, 'x'));
  });
  server_->Shutdown(absl::ZeroDuration());
  idle->All();
  EXPECT_FALSE(idle->Finish().ok());
}

TEST_F(TrainerServerTest, ChangedDataAreTrainedOnAgain) {
  options_.watch_interval = absl::Milliseconds(1);
  Start();
  std::filesystem::create_directory(dir_.File("set"));
  std::ofstream(dir_.File("set/dataset.jsonl")) << "1";
  v1::SubmitJobRequest request;
  request.mutable_spec()->set_target_dataset(dir_.File("set"));
  request.mutable_spec()->set_watch(true);
  v1::Job job;
  ASSERT_THAT(Submit(request, &job), IsOk());
  runner_.NextRun()->End(Published(6));
  EXPECT_EQ(LastWord(job.job_id()), "3 SUCCEEDED published");
  std::ofstream(dir_.File("set/dataset.jsonl")) << "2";
  EXPECT_EQ(runner_.NextRun()->job().spec().initial_version(), 6);
}

}  // namespace
}  // namespace s2p::test
