#include "tests/client/fake_training_server.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "s2p/v1/training.grpc.pb.h"
#include "tests/client/fake_calls.h"

namespace s2p::test {
namespace {

grpc::Status NoSuchJob(const std::string& job_id) {
  return {grpc::StatusCode::NOT_FOUND, absl::StrCat("job_id: there is no job ", job_id)};
}

}  // namespace

struct FakeTrainingServer::Service : public v1::TrainingService::Service {
  grpc::Status SubmitJob(grpc::ServerContext* context, const v1::SubmitJobRequest* request,
                         v1::SubmitJobResponse* response) override {
    if (const grpc::Status status = calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&mutex);
    ++submits;
    last_spec = request->spec();
    v1::Job job;
    job.set_job_id(absl::StrCat("job-", jobs.size() + 1));
    *job.mutable_spec() = request->spec();
    job.set_state(v1::Job::STATE_QUEUED);
    jobs.push_back(job);
    *response->mutable_job() = job;
    return grpc::Status::OK;
  }

  grpc::Status GetJob(grpc::ServerContext* context, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override {
    if (const grpc::Status status = calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&mutex);
    const v1::Job* job = Find(request->job_id());
    if (job == nullptr) return NoSuchJob(request->job_id());
    *response->mutable_job() = *job;
    return grpc::Status::OK;
  }

  grpc::Status ListJobs(grpc::ServerContext* context, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    if (const grpc::Status status = calls.Admit(*context); !status.ok()) return status;
    // Pages are short, whatever size is requested, so that the client has to fetch several.
    constexpr size_t kPage = 2;
    absl::MutexLock lock(&mutex);
    size_t begin = 0;
    if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &begin)) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "page_token: not one of ours"};
    }
    const size_t end = std::min(begin + kPage, jobs.size());
    for (size_t i = begin; i < end; ++i) *response->add_jobs() = jobs[jobs.size() - 1 - i];
    if (end < jobs.size()) response->set_next_page_token(absl::StrCat(end));
    return grpc::Status::OK;
  }

  grpc::Status CancelJob(grpc::ServerContext* context, const v1::CancelJobRequest* request,
                         v1::CancelJobResponse* response) override {
    if (const grpc::Status status = calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&mutex);
    v1::Job* job = Find(request->job_id());
    if (job == nullptr) return NoSuchJob(request->job_id());
    if (job->state() >= v1::Job::STATE_SUCCEEDED) {
      return {grpc::StatusCode::FAILED_PRECONDITION,
              absl::StrCat("job ", request->job_id(), " has ended already")};
    }
    job->set_state(v1::Job::STATE_CANCELLED);
    *response->mutable_job() = *job;
    return grpc::Status::OK;
  }

  grpc::Status RetryJob(grpc::ServerContext* context, const v1::RetryJobRequest* request,
                        v1::RetryJobResponse* response) override {
    if (const grpc::Status status = calls.Admit(*context); !status.ok()) return status;
    absl::MutexLock lock(&mutex);
    v1::Job* job = Find(request->job_id());
    if (job == nullptr) return NoSuchJob(request->job_id());
    if (job->state() <= v1::Job::STATE_SUCCEEDED) {
      return {grpc::StatusCode::FAILED_PRECONDITION,
              absl::StrCat("job ", request->job_id(), " cannot be retried")};
    }
    job->set_state(v1::Job::STATE_QUEUED);
    *response->mutable_job() = *job;
    return grpc::Status::OK;
  }

  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override {
    if (const grpc::Status status = calls.Admit(*context); !status.ok()) return status;
    std::vector<v1::WatchJobResponse> to_send;
    int break_after = -1;
    absl::StatusCode code;
    {
      absl::MutexLock lock(&mutex);
      watched_from.push_back(request->from_event());
      code = break_code;
      if (Find(request->job_id()) == nullptr) return NoSuchJob(request->job_id());
      if (!breaks.empty()) {
        break_after = breaks.front();
        breaks.erase(breaks.begin());
      }
      const int64_t from = request->from_event() - (repeat_events ? 1 : 0);
      for (const v1::WatchJobResponse& event : events[request->job_id()]) {
        if (numbered || event.event() >= from) to_send.push_back(event);
      }
    }
    for (const v1::WatchJobResponse& event : to_send) {
      if (break_after-- == 0) return {static_cast<grpc::StatusCode>(code), "going away"};
      writer->Write(event);
    }
    absl::MutexLock lock(&mutex);
    while (keeps_watches_open && !context->IsCancelled()) {
      const auto ends = [this] {
        mutex.AssertReaderHeld();
        return !keeps_watches_open;
      };
      mutex.AwaitWithTimeout(absl::Condition(&ends), absl::Milliseconds(10));
    }
    return grpc::Status::OK;
  }

  v1::Job* Find(const std::string& job_id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    for (v1::Job& job : jobs) {
      if (job.job_id() == job_id) return &job;
    }
    return nullptr;
  }

  FakeCalls calls;
  absl::Mutex mutex;
  std::vector<v1::Job> jobs ABSL_GUARDED_BY(mutex);
  std::map<std::string, std::vector<v1::WatchJobResponse>> events ABSL_GUARDED_BY(mutex);
  v1::TrainingSpec last_spec ABSL_GUARDED_BY(mutex);
  int submits ABSL_GUARDED_BY(mutex) = 0;
  std::vector<int64_t> watched_from ABSL_GUARDED_BY(mutex);
  std::vector<int> breaks ABSL_GUARDED_BY(mutex);
  absl::StatusCode break_code ABSL_GUARDED_BY(mutex) = absl::StatusCode::kUnavailable;
  bool repeat_events ABSL_GUARDED_BY(mutex) = false;
  bool keeps_watches_open ABSL_GUARDED_BY(mutex) = false;
  // True if the test numbers some events.
  bool numbered ABSL_GUARDED_BY(mutex) = false;
  std::unique_ptr<grpc::Server> server;
};

FakeTrainingServer::FakeTrainingServer() : service_(std::make_unique<Service>()) {
  Start("127.0.0.1:0");
}

FakeTrainingServer::~FakeTrainingServer() {
  {
    absl::MutexLock lock(&service_->mutex);
    service_->keeps_watches_open = false;
  }
  service_->server->Shutdown();
}

void FakeTrainingServer::Start(const std::string& address) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service_.get());
  service_->server = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
}

void FakeTrainingServer::Restart() {
  service_->server->Shutdown();
  service_->server.reset();
  Start(address_);
}

void FakeTrainingServer::AddJob(const v1::Job& job) {
  absl::MutexLock lock(&service_->mutex);
  service_->jobs.push_back(job);
}

void FakeTrainingServer::AddEvent(const std::string& job_id, v1::WatchJobResponse event) {
  absl::MutexLock lock(&service_->mutex);
  auto& events = service_->events[job_id];
  event.set_event(static_cast<int64_t>(events.size()) + 1);
  events.push_back(std::move(event));
}

void FakeTrainingServer::AddNumberedEvent(const std::string& job_id, v1::WatchJobResponse event) {
  absl::MutexLock lock(&service_->mutex);
  service_->events[job_id].push_back(std::move(event));
  service_->numbered = true;
}

void FakeTrainingServer::BreakWatches(std::vector<int> after_events, absl::StatusCode code) {
  absl::MutexLock lock(&service_->mutex);
  service_->break_code = code;
  service_->breaks = std::move(after_events);
}

void FakeTrainingServer::RepeatEvents() {
  absl::MutexLock lock(&service_->mutex);
  service_->repeat_events = true;
}

void FakeTrainingServer::KeepWatchesOpen() {
  absl::MutexLock lock(&service_->mutex);
  service_->keeps_watches_open = true;
}

void FakeTrainingServer::FailNextCall(absl::Status status) {
  service_->calls.FailNext(std::move(status));
}

void FakeTrainingServer::RequireKey(const std::string& key) { service_->calls.RequireKey(key); }

v1::TrainingSpec FakeTrainingServer::last_spec() const {
  absl::MutexLock lock(&service_->mutex);
  return service_->last_spec;
}

int FakeTrainingServer::submits() const {
  absl::MutexLock lock(&service_->mutex);
  return service_->submits;
}

std::vector<int64_t> FakeTrainingServer::watched_from() const {
  absl::MutexLock lock(&service_->mutex);
  return service_->watched_from;
}

}  // namespace s2p::test
