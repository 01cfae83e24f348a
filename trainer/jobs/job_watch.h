// What one watcher of a job is told next.
#ifndef S2P_TRAINER_JOBS_JOB_WATCH_H_
#define S2P_TRAINER_JOBS_JOB_WATCH_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "trainer/jobs/job_events.h"
#include "trainer/jobs/job_store.h"

namespace s2p {

// Reads the job's events one by one, from a given one until the job has ended, with heartbeats in
// between; the last thing said is always the state in which the job ended. Holds one event and the
// reader's piece of the file, however slow the watcher is. Thread-compatible.
class JobWatch {
 public:
  // `store` is borrowed. `is_under_way` tells whether a job's events may still change although it
  // has ended: JobScheduler::IsUnderWay. NotFound; else as JobStore::Events.
  static absl::StatusOr<std::unique_ptr<JobWatch>> Create(
      JobStore* store, std::function<bool(const std::string&)> is_under_way,
      const std::string& job_id, int64_t from_event, absl::Duration heartbeat);

  // Nothing to say now, something, or nothing any more.
  struct Next {
    std::optional<v1::WatchJobResponse> response;
    bool ended = false;
  };
  // DataLoss if the events are damaged.
  absl::StatusOr<Next> Say(absl::Time now);
  // When Say will have a heartbeat, if nothing happens before.
  absl::Time next_heartbeat() const { return last_said_ + heartbeat_; }

 private:
  JobWatch(JobStore* store, std::function<bool(const std::string&)> is_under_way,
           std::string job_id, std::shared_ptr<JobEvents> events, int64_t from_event,
           absl::Duration heartbeat);
  Next Speak(v1::WatchJobResponse response, absl::Time now);
  // The job as it is, for when there is no event that says it.
  v1::WatchJobResponse Now(const v1::Job& job) const;

  JobStore* const store_;
  const std::function<bool(const std::string&)> is_under_way_;
  const std::string job_id_;
  const std::shared_ptr<JobEvents> events_;
  const absl::Duration heartbeat_;
  JobEventReader reader_;
  std::optional<v1::WatchJobResponse> last_;
  absl::Time last_said_ = absl::InfinitePast();
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_WATCH_H_
