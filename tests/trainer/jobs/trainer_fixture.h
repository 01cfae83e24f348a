// A whole trainer on free ports, with a runner that is stepped by hand, and a stub to call it.
#ifndef S2P_TESTS_TRAINER_JOBS_TRAINER_FIXTURE_H_
#define S2P_TESTS_TRAINER_JOBS_TRAINER_FIXTURE_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "s2p/v1/training.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/jobs/fake_job_runner.h"
#include "trainer/jobs/trainer_server.h"

namespace s2p::test {

// One WatchJob stream.
class Watching {
 public:
  Watching(v1::TrainingService::Stub& stub, const std::string& job_id, int64_t from_event) {
    v1::WatchJobRequest request;
    request.set_job_id(job_id);
    request.set_from_event(from_event);
    stream_ = stub.WatchJob(&context_, request);
  }
  // "2 RUNNING started"; empty at the end.
  std::string Next() {
    v1::WatchJobResponse response;
    if (!stream_->Read(&response)) return "";
    return absl::StrCat(response.event(), " ", v1::Job::State_Name(response.state()).substr(6), " ",
                        response.message());
  }
  // The rest of the stream.
  std::vector<std::string> All() {
    std::vector<std::string> texts;
    for (std::string text = Next(); !text.empty(); text = Next()) texts.push_back(text);
    return texts;
  }
  grpc::Status Finish() { return stream_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> stream_;
};

class TrainerTest : public testing::Test {
 protected:
  TrainerTest() {
    options_.state_dir = dir_.File("state");
    options_.host.listen = "127.0.0.1:0";
    options_.host.http = "127.0.0.1:0";
    options_.retry_pause = absl::InfiniteDuration();
    // Streams send events only, no heartbeats.
    options_.heartbeat = absl::InfiniteDuration();
    options_.watch_interval = absl::InfiniteDuration();
  }

  void Start() {
    auto server = TrainerServer::Start(options_, &runner_);
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
    Connect();
  }
  void Connect() {
    stub_ = v1::TrainingService::NewStub(
        grpc::CreateChannel(server_->address(), grpc::InsecureChannelCredentials()));
  }

  grpc::Status Submit(const v1::SubmitJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    v1::SubmitJobResponse response;
    const grpc::Status status = stub_->SubmitJob(&context, request, &response);
    *job = response.job();
    return status;
  }
  std::string MustSubmit(const std::string& name = "a") {
    v1::SubmitJobRequest request;
    request.mutable_spec()->set_name(name);
    v1::Job job;
    const grpc::Status status = Submit(request, &job);
    EXPECT_THAT(status, IsOk()) << status.error_message();
    return job.job_id();
  }
  // A call that names a job and is answered with it.
  template <typename Request, typename Response>
  grpc::Status CallOn(grpc::Status (v1::TrainingService::Stub::*call)(grpc::ClientContext*,
                                                                      const Request&, Response*),
                      const std::string& id, v1::Job* job) {
    grpc::ClientContext context;
    Request request;
    request.set_job_id(id);
    Response response;
    const grpc::Status status = ((*stub_).*call)(&context, request, &response);
    *job = response.job();
    return status;
  }
  grpc::Status Get(const std::string& id, v1::Job* job) {
    return CallOn(&v1::TrainingService::Stub::GetJob, id, job);
  }
  grpc::Status Cancel(const std::string& id, v1::Job* job) {
    return CallOn(&v1::TrainingService::Stub::CancelJob, id, job);
  }
  grpc::Status Retry(const std::string& id, v1::Job* job) {
    return CallOn(&v1::TrainingService::Stub::RetryJob, id, job);
  }
  grpc::Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    grpc::ClientContext context;
    return stub_->ListJobs(&context, request, response);
  }
  std::unique_ptr<Watching> Watch(const std::string& id, int64_t from_event = 0) {
    return std::make_unique<Watching>(*stub_, id, from_event);
  }
  // Waits until the job has ended; returns the last event.
  std::string LastWord(const std::string& id) {
    const auto all = Watch(id)->All();
    return all.empty() ? "" : all.back();
  }
  static void ExpectError(const grpc::Status& status, grpc::StatusCode code,
                          const std::string& words) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), testing::HasSubstr(words));
  }

  TempDir dir_;
  FakeJobRunner runner_;
  TrainerServerOptions options_;
  std::unique_ptr<TrainerServer> server_;
  std::unique_ptr<v1::TrainingService::Stub> stub_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_JOBS_TRAINER_FIXTURE_H_
