#include "trainer/jobs/job_watch.h"

#include <utility>

#include "base/status_macros.h"
#include "trainer/jobs/job_file.h"

namespace s2p {

absl::StatusOr<std::unique_ptr<JobWatch>> JobWatch::Create(
    JobStore* store, std::function<bool(const std::string&)> is_under_way,
    const std::string& job_id, int64_t from_event, absl::Duration heartbeat) {
  S2P_ASSIGN_OR_RETURN(auto events, store->Events(job_id));
  return std::unique_ptr<JobWatch>(new JobWatch(store, std::move(is_under_way), job_id,
                                                std::move(events), from_event, heartbeat));
}

JobWatch::JobWatch(JobStore* store, std::function<bool(const std::string&)> is_under_way,
                   std::string job_id, std::shared_ptr<JobEvents> events, int64_t from_event,
                   absl::Duration heartbeat)
    : store_(store),
      is_under_way_(std::move(is_under_way)),
      job_id_(std::move(job_id)),
      events_(std::move(events)),
      heartbeat_(heartbeat),
      reader_(events_, from_event) {}

absl::StatusOr<JobWatch::Next> JobWatch::Say(absl::Time now) {
  // Before the events are read: what was said before the end is then there to be read.
  S2P_ASSIGN_OR_RETURN(const auto job, store_->Get(job_id_));
  const bool has_ended = HasEnded(job.state()) && !is_under_way_(job_id_);
  S2P_ASSIGN_OR_RETURN(auto event, reader_.Next());
  if (event.has_value()) return Speak(*std::move(event), now);
  if (has_ended) {
    if (last_ && last_->state() == job.state()) return Next{std::nullopt, true};
    // The event of its end was lost in a crash or on a full disk, or is before where we began.
    return Speak(Now(job), now);
  }
  if (last_said_ == absl::InfinitePast()) last_said_ = now;
  if (now < next_heartbeat()) return Next{};
  v1::WatchJobResponse beat = last_ ? *last_ : Now(job);
  beat.clear_message();
  last_said_ = now;
  return Next{std::move(beat)};
}

JobWatch::Next JobWatch::Speak(v1::WatchJobResponse response, absl::Time now) {
  last_said_ = now;
  last_ = response;
  return Next{std::move(response)};
}

v1::WatchJobResponse JobWatch::Now(const v1::Job& job) const {
  v1::WatchJobResponse response;
  response.set_event(events_->last_event());
  response.set_state(job.state());
  if (job.has_progress()) *response.mutable_progress() = job.progress();
  response.set_message(job.reason());
  return response;
}

}  // namespace s2p
