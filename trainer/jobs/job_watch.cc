#include "trainer/jobs/job_watch.h"

#include <utility>

#include "base/status_macros.h"
#include "trainer/jobs/job_file.h"

namespace s2p {
namespace {

using Step = WatchStep<v1::WatchJobResponse>;

}  // namespace

JobWatch::JobWatch(JobStore* store, std::function<bool(const std::string&)> is_active,
                   std::string job_id, int64_t from_event, absl::Duration heartbeat)
    : store_(*store),
      is_active_(std::move(is_active)),
      job_id_(std::move(job_id)),
      from_event_(from_event),
      heartbeat_(heartbeat) {}

absl::StatusOr<Step> JobWatch::Next(SteadyTime now) {
  if (events_ == nullptr) {
    S2P_RETURN_IF_ERROR(OpenEvents());
  }
  // The job is read before its events: what was reported before its end is then there to be read.
  S2P_ASSIGN_OR_RETURN(const auto job, store_.Get(job_id_));
  const bool has_ended = HasEnded(job.state()) && !is_active_(job_id_);
  S2P_ASSIGN_OR_RETURN(auto event, reader_->Next());
  if (event.has_value()) return Send(*std::move(event), now);
  Step step;
  if (has_ended) {
    // The event of its end may be lost in a crash or on a full disk, or be before the first one
    // asked for.
    if (!last_ || last_->state() != job.state()) return Send(StateOf(job), now);
    step.ended = true;
    return step;
  }
  if (last_sent_ == SteadyTime::InfinitePast()) last_sent_ = now;
  if (now >= next_heartbeat()) {
    step.response = last_ ? *last_ : StateOf(job);
    step.response->clear_message();
    last_sent_ = now;
  }
  step.ask_again = next_heartbeat();
  return step;
}

absl::Status JobWatch::OpenEvents() {
  S2P_ASSIGN_OR_RETURN(events_, store_.Events(job_id_));
  reader_.emplace(events_, from_event_);
  return absl::OkStatus();
}

Step JobWatch::Send(v1::WatchJobResponse response, SteadyTime now) {
  last_sent_ = now;
  last_ = response;
  Step step;
  step.response = std::move(response);
  step.ask_again = next_heartbeat();
  return step;
}

v1::WatchJobResponse JobWatch::StateOf(const v1::Job& job) const {
  v1::WatchJobResponse response;
  response.set_event(events_->last_event());
  response.set_state(job.state());
  if (job.has_progress()) *response.mutable_progress() = job.progress();
  response.set_message(job.reason());
  return response;
}

}  // namespace s2p
