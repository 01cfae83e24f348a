#include "trainer/jobs/training_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/pool_call.h"
#include "trainer/jobs/job_watch.h"

namespace s2p {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1000;
// A hundred times our longest spec; specs are kept forever.
constexpr size_t kMaxSpecBytes = size_t{64} << 10;

// Puts the job into the response, or returns its status.
template <typename Response>
absl::Status Answer(absl::StatusOr<v1::Job> job, Response* response) {
  if (!job.ok()) return job.status();
  *response->mutable_job() = *std::move(job);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* TrainingServiceImpl::SubmitJob(grpc::CallbackServerContext* context,
                                                         const v1::SubmitJobRequest* request,
                                                         v1::SubmitJobResponse* response) {
  return StartPoolCall(trainer_.gate, trainer_.pool, context, "SubmitJob",
                       [this, request, response]() -> absl::Status {
                         if (!request->has_spec())
                           return absl::InvalidArgumentError("spec: is missing");
                         if (request->spec().ByteSizeLong() > kMaxSpecBytes) {
                           return absl::InvalidArgumentError(
                               absl::StrCat("spec: takes more than ", kMaxSpecBytes, " bytes"));
                         }
                         return Answer(trainer_.scheduler->Submit(request->spec()), response);
                       });
}

grpc::ServerUnaryReactor* TrainingServiceImpl::GetJob(grpc::CallbackServerContext* context,
                                                      const v1::GetJobRequest* request,
                                                      v1::GetJobResponse* response) {
  return StartPoolCall(trainer_.gate, trainer_.pool, context, "GetJob", [this, request, response] {
    return Answer(trainer_.store->Get(request->job_id()), response);
  });
}

grpc::ServerUnaryReactor* TrainingServiceImpl::ListJobs(grpc::CallbackServerContext* context,
                                                        const v1::ListJobsRequest* request,
                                                        v1::ListJobsResponse* response) {
  return StartPoolCall(
      trainer_.gate, trainer_.pool, context, "ListJobs",
      [this, request, response]() -> absl::Status {
        const uint32_t page_size =
            request->has_page_size() ? request->page_size() : kDefaultPageSize;
        if (page_size < 1 || page_size > kMaxPageSize) {
          return absl::InvalidArgumentError(
              absl::StrCat("page_size: ", page_size, " is not in 1 to ", kMaxPageSize));
        }
        S2P_ASSIGN_OR_RETURN(auto page, trainer_.store->List(page_size, request->page_token()));
        for (v1::Job& job : page.jobs) *response->add_jobs() = std::move(job);
        response->set_next_page_token(page.next_page_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* TrainingServiceImpl::CancelJob(grpc::CallbackServerContext* context,
                                                         const v1::CancelJobRequest* request,
                                                         v1::CancelJobResponse* response) {
  return StartPoolCall(trainer_.gate, trainer_.pool, context, "CancelJob",
                       [this, request, response] {
                         return Answer(trainer_.scheduler->Cancel(request->job_id()), response);
                       });
}

grpc::ServerUnaryReactor* TrainingServiceImpl::RetryJob(grpc::CallbackServerContext* context,
                                                        const v1::RetryJobRequest* request,
                                                        v1::RetryJobResponse* response) {
  return StartPoolCall(trainer_.gate, trainer_.pool, context, "RetryJob",
                       [this, request, response] {
                         return Answer(trainer_.scheduler->Retry(request->job_id()), response);
                       });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* TrainingServiceImpl::WatchJob(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) {
  absl::StatusOr<std::unique_ptr<WatchSource<v1::WatchJobResponse>>> source =
      absl::InvalidArgumentError("from_event: is negative");
  if (request->from_event() >= 0) {
    const auto is_active = [this](const std::string& id) {
      return trainer_.scheduler->IsActive(id);
    };
    source = std::make_unique<JobWatch>(trainer_.store, is_active, request->job_id(),
                                        request->from_event(), trainer_.heartbeat);
  }
  return trainer_.watches->Start(context, std::move(source));
}

}  // namespace s2p
