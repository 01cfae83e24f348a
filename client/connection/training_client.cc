#include "client/connection/training_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "client/connection/grpc_channel.h"
#include "s2p/v1/training.grpc.pb.h"

namespace s2p {

struct TrainingClient::Connection {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::TrainingService::Stub> stub;
};

namespace {

constexpr char kProgram[] = "s2p-trainer serve";

constexpr char kServiceConfig[] = R"({"methodConfig": [{
  "name": [{"service": "s2p.v1.TrainingService"}],
  "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s",
                  "backoffMultiplier": 2,
                  "retryableStatusCodes": ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]}}, {
  "name": [{"service": "s2p.v1.TrainingService", "method": "SubmitJob"}],
  "retryPolicy": {"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s",
                  "backoffMultiplier": 2,
                  "retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}}]})";

// Pause between streams that break without an event.
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLastPause = absl::Seconds(2);
// A connection that lasted this long counts as good, with or without events.
constexpr absl::Duration kGoodConnection = absl::Seconds(10);

// The state of a watch.
struct Watch {
  // Number of the next event.
  int64_t next_event = 1;
  bool any_event = false;
  v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
};

// False for repetitions: the daemon repeats the last event while nothing happens. A state may be
// new under an old number if its event was lost.
bool IsNew(const v1::WatchJobResponse& event, const Watch& watch) {
  if (!watch.any_event || event.event() >= watch.next_event) return true;
  if (event.state() == watch.state) return false;
  return event.event() + 1 == watch.next_event || JobHasEnded(event.state());
}

// True for the codes of a stream whose server, or a hop on the way, goes away or is overloaded.
bool IsBreak(grpc::StatusCode code) {
  return code == grpc::StatusCode::UNAVAILABLE || code == grpc::StatusCode::CANCELLED ||
         code == grpc::StatusCode::INTERNAL || code == grpc::StatusCode::UNKNOWN ||
         code == grpc::StatusCode::RESOURCE_EXHAUSTED;
}

grpc::Status WatchOnce(v1::TrainingService::Stub& stub, const ClientOptions& options,
                       const std::string& job_id, const TrainingClient::EventSink& sink,
                       Watch& watch, absl::Status& taken) {
  grpc::ClientContext context;
  Prepare(options, /*with_deadline=*/false, context);
  v1::WatchJobRequest request;
  request.set_job_id(job_id);
  request.set_from_event(watch.next_event);
  const auto reader = stub.WatchJob(&context, request);
  v1::WatchJobResponse event;
  while (taken.ok() && reader->Read(&event)) {
    if (!IsNew(event, watch)) continue;
    watch.next_event = std::max(watch.next_event, event.event() + 1);
    watch.any_event = true;
    watch.state = event.state();
    taken = sink(event);
  }
  if (!taken.ok()) context.TryCancel();
  return reader->Finish();
}

gpr_timespec ToGpr(SteadyTime time) {
  const int64_t left = absl::ToInt64Nanoseconds(time - SteadyTime::Now());
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(left, GPR_TIMESPAN));
}

}  // namespace

bool JobHasEnded(v1::Job::State state) {
  return state == v1::Job::STATE_SUCCEEDED || state == v1::Job::STATE_FAILED ||
         state == v1::Job::STATE_CANCELLED;
}

TrainingClient::TrainingClient(ClientOptions options, std::unique_ptr<Connection> connection)
    : options_(std::move(options)), connection_(std::move(connection)) {}
TrainingClient::~TrainingClient() = default;

absl::StatusOr<std::unique_ptr<TrainingClient>> TrainingClient::Create(
    const ClientOptions& options) {
  S2P_ASSIGN_OR_RETURN(auto channel, MakeChannel(options, kServiceConfig));
  auto connection = std::make_unique<Connection>();
  connection->channel = std::move(channel);
  connection->stub = v1::TrainingService::NewStub(connection->channel);
  return std::unique_ptr<TrainingClient>(new TrainingClient(options, std::move(connection)));
}

absl::StatusOr<v1::SubmitJobResponse> TrainingClient::SubmitJob(
    const v1::TrainingSpec& spec) const {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = spec;
  return Unary<v1::SubmitJobResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return connection_->stub->SubmitJob(arguments...);
  });
}

absl::StatusOr<v1::GetJobResponse> TrainingClient::GetJob(const std::string& job_id) const {
  v1::GetJobRequest request;
  request.set_job_id(job_id);
  return Unary<v1::GetJobResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return connection_->stub->GetJob(arguments...);
  });
}

absl::StatusOr<v1::ListJobsResponse> TrainingClient::ListJobs(
    const v1::ListJobsRequest& request) const {
  return Unary<v1::ListJobsResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return connection_->stub->ListJobs(arguments...);
  });
}

absl::StatusOr<v1::CancelJobResponse> TrainingClient::CancelJob(const std::string& job_id) const {
  v1::CancelJobRequest request;
  request.set_job_id(job_id);
  return Unary<v1::CancelJobResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return connection_->stub->CancelJob(arguments...);
  });
}

absl::StatusOr<v1::RetryJobResponse> TrainingClient::RetryJob(const std::string& job_id) const {
  v1::RetryJobRequest request;
  request.set_job_id(job_id);
  return Unary<v1::RetryJobResponse>(options_, kProgram, request, [this](auto&&... arguments) {
    return connection_->stub->RetryJob(arguments...);
  });
}

absl::Status TrainingClient::WatchJob(const std::string& job_id, int64_t from_event,
                                      const EventSink& sink, const BreakSink& on_break) const {
  Watch watch;
  watch.next_event = std::max<int64_t>(1, from_event);
  SteadyTime give_up = SteadyTime::Now() + options_.timeout;
  bool break_reported = false;
  absl::Duration pause = kFirstPause;
  for (;;) {
    const int64_t before = watch.next_event;
    const SteadyTime start = SteadyTime::Now();
    absl::Status taken;
    grpc::Status status = WatchOnce(*connection_->stub, options_, job_id, sink, watch, taken);
    if (!taken.ok()) return taken;
    if (JobHasEnded(watch.state)) return absl::OkStatus();
    if (status.ok()) {
      status = {grpc::StatusCode::UNAVAILABLE, "the events ended before the job did"};
    }
    const absl::Status why = FromGrpc(status, options_.server, kProgram);
    if (!IsBreak(status.error_code()) || !watch.any_event) return why;
    if (watch.next_event > before || SteadyTime::Now() - start > kGoodConnection) {
      give_up = SteadyTime::Now() + options_.timeout;
      break_reported = false;
      pause = kFirstPause;
    } else if (SteadyTime::Now() >= give_up) {
      return why;
    } else {
      // A daemon that is shutting down may give this answer for a while.
      absl::SleepFor(std::min(pause, give_up - SteadyTime::Now()));
      pause = std::min(2 * pause, kLastPause);
    }
    if (!std::exchange(break_reported, true) && on_break) on_break(why, watch.next_event);
    if (!connection_->channel->WaitForConnected(ToGpr(give_up))) return why;
  }
}

}  // namespace s2p
