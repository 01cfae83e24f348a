// The messages that one watcher of a job gets.
#ifndef S2P_TRAINER_JOBS_JOB_WATCH_H_
#define S2P_TRAINER_JOBS_JOB_WATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/watch_streams.h"
#include "trainer/jobs/job_events.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

// Reads the job's events one by one, from a given one until the job has ended, with heartbeats in
// between; the last response always has the state in which the job ended. Holds one event and the
// reader's piece of the file, however slow the watcher is. Thread-compatible.
class JobWatch final : public WatchSource<v1::WatchJobResponse> {
 public:
  // `store` is borrowed. `is_active` says whether a job's events may still change although it has
  // ended: JobScheduler::IsActive.
  JobWatch(JobStore* store, std::function<bool(const std::string&)> is_active, std::string job_id,
           int64_t from_event, absl::Duration heartbeat);

  // NotFound if there is no such job; DataLoss if its events are damaged; else as JobStore::Events.
  absl::StatusOr<WatchStep<v1::WatchJobResponse>> Next(SteadyTime now) override;

 private:
  absl::Status OpenEvents();
  WatchStep<v1::WatchJobResponse> Send(v1::WatchJobResponse response, SteadyTime now);
  // The job's current state, for when no event shows it.
  v1::WatchJobResponse StateOf(const v1::Job& job) const;
  // When a heartbeat is due if nothing happens before.
  SteadyTime next_heartbeat() const { return last_sent_ + heartbeat_; }

  JobStore& store_;
  const std::function<bool(const std::string&)> is_active_;
  const std::string job_id_;
  const int64_t from_event_;
  const absl::Duration heartbeat_;
  // Opened by the first Next: that reads the disk.
  std::shared_ptr<JobEvents> events_;
  std::optional<JobEventReader> reader_;
  std::optional<v1::WatchJobResponse> last_;
  SteadyTime last_sent_ = SteadyTime::InfinitePast();
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_WATCH_H_
