#include "trainer/jobs/training_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rpc/credentials.h"
#include "rpc/grpc_status.h"

namespace s2p {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1000;
// A hundred times the longest spec of ours; it is kept for ever.
constexpr size_t kMaxSpecBytes = size_t{64} << 10;

// A call that is admitted, done on the pool, and finished. Lives until gRPC is done with it.
class PoolCall : public grpc::ServerUnaryReactor {
 public:
  PoolCall(grpc::CallbackServerContext* context, std::function<absl::Status()> work)
      : context_(context), work_(std::move(work)) {}

  void Begin(const TrainingServiceContext& trainer) {
    absl::Status status = AuthorizeCall(trainer.keys, context_->client_metadata());
    if (status.ok()) status = trainer.pool->Submit([this] { End(work_()); });
    if (!status.ok()) End(status);
  }
  void OnDone() override { delete this; }

 private:
  void End(const absl::Status& status) { Finish(ToGrpcWithRetryHint(status, *context_)); }

  grpc::CallbackServerContext* const context_;
  const std::function<absl::Status()> work_;
};

grpc::ServerUnaryReactor* BeginOnPool(const TrainingServiceContext& trainer,
                                      grpc::CallbackServerContext* context,
                                      std::function<absl::Status()> work) {
  auto* call = new PoolCall(context, std::move(work));
  call->Begin(trainer);
  return call;
}

// A stream that ends before it begins.
class RefusedWatch : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  explicit RefusedWatch(const absl::Status& status) { Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

// Puts the job into the answer, or gives the status.
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
  return BeginOnPool(trainer_, context, [this, request, response]() -> absl::Status {
    if (!request->has_spec()) return absl::InvalidArgumentError("spec: is missing");
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
  return BeginOnPool(trainer_, context, [this, request, response] {
    return Answer(trainer_.store->Get(request->job_id()), response);
  });
}

grpc::ServerUnaryReactor* TrainingServiceImpl::ListJobs(grpc::CallbackServerContext* context,
                                                        const v1::ListJobsRequest* request,
                                                        v1::ListJobsResponse* response) {
  return BeginOnPool(trainer_, context, [this, request, response]() -> absl::Status {
    const uint32_t page_size = request->has_page_size() ? request->page_size() : kDefaultPageSize;
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
  return BeginOnPool(trainer_, context, [this, request, response] {
    return Answer(trainer_.scheduler->Cancel(request->job_id()), response);
  });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* TrainingServiceImpl::WatchJob(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) {
  absl::Status status = AuthorizeCall(trainer_.keys, context->client_metadata());
  if (status.ok() && request->from_event() < 0) {
    status = absl::InvalidArgumentError("from_event: is negative");
  }
  if (!status.ok()) return new RefusedWatch(status);
  return trainer_.watches->Begin(context, *request);
}

}  // namespace s2p
