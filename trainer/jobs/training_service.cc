#include "trainer/jobs/training_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "s2p/v1/training.grpc.pb.h"
#include "trainer/jobs/job_watch.h"

namespace s2p {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1000;
// A hundred times our longest spec; specs are kept forever.
constexpr size_t kMaxSpecBytes = size_t{64} << 10;

// Room for a spec that is too large to be refused by name.
constexpr size_t kMaxSubmitBytes = size_t{1} << 20;

// A job as its clients see it: its reason and the paths of its resolved spec name no hidden folder.
// The paths stay those of the same files, as a spec names them relative to the data root.
v1::Job Shown(v1::Job job, const HiddenFolders& hidden) {
  job.set_reason(hidden.Hide(job.reason()));
  for (v1::TrainingRound& round : *job.mutable_rounds()) {
    round.set_reason(hidden.Hide(round.reason()));
  }
  // A field that is unset stays unset.
  if (!job.has_resolved_spec()) return job;
  v1::TrainingSpec& spec = *job.mutable_resolved_spec();
  if (spec.has_source_dataset()) spec.set_source_dataset(hidden.Hide(spec.source_dataset()));
  if (spec.has_target_dataset()) spec.set_target_dataset(hidden.Hide(spec.target_dataset()));
  if (spec.has_pairs_dataset()) spec.set_pairs_dataset(hidden.Hide(spec.pairs_dataset()));
  if (spec.publish().has_reference_dataset()) {
    spec.mutable_publish()->set_reference_dataset(hidden.Hide(spec.publish().reference_dataset()));
  }
  if (spec.has_initial_weights()) spec.set_initial_weights(hidden.Hide(spec.initial_weights()));
  return job;
}

// Puts the job into the response, or returns its status.
template <typename Response>
absl::Status Answer(absl::StatusOr<v1::Job> job, const HiddenFolders& hidden, Response& response) {
  if (!job.ok()) return job.status();
  *response.mutable_job() = Shown(*std::move(job), hidden);
  return absl::OkStatus();
}

// Another source, whose messages name no hidden folder.
class ShownWatch final : public WatchSource<v1::WatchJobResponse> {
 public:
  ShownWatch(std::unique_ptr<WatchSource> source, const HiddenFolders* hidden)
      : source_(std::move(source)), hidden_(*hidden) {}

  absl::StatusOr<WatchStep<v1::WatchJobResponse>> Next(SteadyTime now) override {
    S2P_ASSIGN_OR_RETURN(auto step, source_->Next(now));
    if (step.response) step.response->set_message(hidden_.Hide(step.response->message()));
    return step;
  }

 private:
  const std::unique_ptr<WatchSource> source_;
  const HiddenFolders& hidden_;
};

absl::Status Submit(JobScheduler& scheduler, const HiddenFolders& hidden,
                    const v1::SubmitJobRequest& request, v1::SubmitJobResponse& response) {
  if (!request.has_spec()) return absl::InvalidArgumentError("spec: is missing");
  if (request.spec().ByteSizeLong() > kMaxSpecBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec: takes more than ", kMaxSpecBytes, " bytes"));
  }
  return Answer(scheduler.Submit(request.spec()), hidden, response);
}

absl::Status List(JobStore& store, const HiddenFolders& hidden, const v1::ListJobsRequest& request,
                  v1::ListJobsResponse& response) {
  const uint32_t page_size = request.has_page_size() ? request.page_size() : kDefaultPageSize;
  if (page_size < 1 || page_size > kMaxPageSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size: ", page_size, " is not in 1 to ", kMaxPageSize));
  }
  S2P_ASSIGN_OR_RETURN(auto page, store.List(page_size, request.page_token()));
  for (v1::Job& job : page.jobs) *response.add_jobs() = Shown(std::move(job), hidden);
  response.set_next_page_token(page.next_page_token);
  return absl::OkStatus();
}

}  // namespace

TrainingServiceImpl::TrainingServiceImpl(const TrainingServiceContext& context)
    : RpcService(v1::TrainingService::service_full_name(), context.gate),
      trainer_(context),
      make_watch_([this](const v1::WatchJobRequest& request) { return Watch(request); }) {
  CallCost submit;
  submit.max_message_bytes = kMaxSubmitBytes;
  AddPooled<v1::SubmitJobRequest, v1::SubmitJobResponse>(
      "SubmitJob",
      [this](const auto& request, auto& response) {
        return Submit(*trainer_.scheduler, trainer_.gate->hidden(), request, response);
      },
      submit);
  AddPooled<v1::GetJobRequest, v1::GetJobResponse>(
      "GetJob", [this](const auto& request, auto& response) {
        return Answer(trainer_.store->GetWithRounds(request.job_id()), trainer_.gate->hidden(),
                      response);
      });
  AddPooled<v1::ListJobsRequest, v1::ListJobsResponse>(
      "ListJobs", [this](const auto& request, auto& response) {
        return List(*trainer_.store, trainer_.gate->hidden(), request, response);
      });
  AddPooled<v1::CancelJobRequest, v1::CancelJobResponse>("CancelJob", [this](const auto& request,
                                                                             auto& response) {
    return Answer(trainer_.scheduler->Cancel(request.job_id()), trainer_.gate->hidden(), response);
  });
  AddPooled<v1::RetryJobRequest, v1::RetryJobResponse>("RetryJob", [this](const auto& request,
                                                                          auto& response) {
    return Answer(trainer_.scheduler->Retry(request.job_id()), trainer_.gate->hidden(), response);
  });
  CallCost watch;
  watch.default_deadline = absl::InfiniteDuration();
  Add("WatchJob", watch, v1::WatchJobRequest::descriptor(), /*is_stream=*/true,
      [this](const RpcMethod* method, CallGate* gate, grpc::CallbackServerContext* call) {
        return trainer_.watches->NewCall(method, gate, call, &make_watch_);
      });
}

template <typename Request, typename Response>
void TrainingServiceImpl::AddPooled(const std::string& method,
                                    std::function<absl::Status(const Request&, Response&)> work,
                                    CallCost cost) {
  AddUnary<Request, Response>(method, std::move(cost), trainer_.pool, std::move(work));
}

absl::StatusOr<std::unique_ptr<WatchSource<v1::WatchJobResponse>>> TrainingServiceImpl::Watch(
    const v1::WatchJobRequest& request) const {
  if (request.from_event() < 0) return absl::InvalidArgumentError("from_event: is negative");
  const auto is_active = [scheduler = trainer_.scheduler](const std::string& id) {
    return scheduler->IsActive(id);
  };
  auto watch = std::make_unique<JobWatch>(trainer_.store, is_active, request.job_id(),
                                          request.from_event(), trainer_.heartbeat);
  return std::make_unique<ShownWatch>(std::move(watch), &trainer_.gate->hidden());
}

}  // namespace s2p
