// The order and the life of jobs.
#ifndef S2P_TRAINER_JOBS_JOB_SCHEDULER_H_
#define S2P_TRAINER_JOBS_JOB_SCHEDULER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/steady_wait.h"
#include "trainer/jobs/job_reporter.h"
#include "trainer/jobs/job_runner.h"
#include "trainer/jobs/job_store.h"
#include "trainer/jobs/trainer_metrics.h"

namespace s2p {

struct JobSchedulerOptions {
  // Jobs that run at one time, 1 to 64. They share the device: more than one is rarely faster.
  int max_running = 1;
  // How long a paused job waits before it is retried.
  absl::Duration retry_pause = absl::Seconds(30);
  // The jobs, of those that have FAILED or been CANCELLED, that keep the state from which a retry
  // resumes: those that ended last. One state can take more than a GB. As many, of those that start
  // from a version, keep it from being pruned: without a state, a retry starts from it.
  size_t most_kept_states = 5;
  // The ended jobs that keep their events and the other files of their run: those that ended last.
  // Older ones keep only job.json, unless they have a state to resume from.
  size_t most_kept_files = 1000;
  // The time at which jobs start and end, for people; tests replace it.
  std::function<absl::Time()> date = absl::Now;
  JobReporterOptions reporter;
};

// Runs the jobs of a store in the order of their submission. The status of a run decides the job's
// state: ok SUCCEEDED; Cancelled after Cancel CANCELLED; ResourceExhausted PAUSED, which keeps its
// place and is retried; Aborted another start, as after a crash; anything else FAILED. A run that
// waits for room on the disk is PAUSED, too. A job that this object's end interrupts stays RUNNING
// or PAUSED on disk and resumes before all others at the next start, as after a crash; but a job
// during which its process or this one has died too often (trainer/jobs/unfinished_starts.h) is
// FAILED, so that it cannot keep the others from running. Store, runner and metrics are borrowed.
// Thread-safe.
class JobScheduler {
 public:
  // Queues the unfinished jobs of the store. InvalidArgument names a bad option.
  static absl::StatusOr<std::unique_ptr<JobScheduler>> Create(const JobSchedulerOptions& options,
                                                              JobStore* store, JobRunner* runner,
                                                              TrainerMetrics* metrics);
  // As Stop.
  ~JobScheduler();

  // Starts to run jobs. Call once.
  void Start();

  // Checks the spec and queues a job, durable when this returns. Errors of JobRunner::Check and
  // JobStore::Create; Unavailable after RequestStop. `lineage` is as in JobFile.
  absl::StatusOr<v1::Job> Submit(const v1::TrainingSpec& spec, const std::string& lineage = "");

  // Ends a queued job immediately, and a running one as soon as its run reacts, which the returned
  // job does not show yet. Durable in both cases. NotFound; FailedPrecondition if it has ended.
  absl::StatusOr<v1::Job> Cancel(const std::string& id);

  // Queues a FAILED or CANCELLED job again, durable when this returns. It takes its place by its
  // id, and resumes from its last whole epoch if its state is still kept. NotFound;
  // FailedPrecondition if it is in another state, or as JobRunner::CheckRetry says; Unavailable
  // after RequestStop, and for a moment while a job ends.
  absl::StatusOr<v1::Job> Retry(const std::string& id);

  // Whether the job's state or events may still change.
  bool IsActive(const std::string& id) const;

  // Retries paused jobs immediately.
  void RetryPaused();

  // Asks the runs to stop, without waiting.
  void RequestStop();
  // As RequestStop, and waits until they have stopped. Idempotent.
  void Stop();

 private:
  // A job that a thread is working on.
  struct Active {
    std::atomic<bool> cancel{false};
    // Guarded by mutex_: the pause is over.
    bool retry = false;
  };
  // Jobs that a former process started come first; else by id.
  using Place = std::pair<bool, std::string>;

  JobScheduler(const JobSchedulerOptions& options, JobStore* store, JobRunner* runner,
               TrainerMetrics* metrics)
      : options_(options), store_(*store), runner_(*runner), metrics_(*metrics) {}
  void Recover();
  void Work();
  void RunJob(const std::string& id, Active& active);
  absl::StatusOr<JobOutcome> Attempt(const v1::JobFile& file, Active& active,
                                     const std::string& last_death, JobReporter& reporter);
  absl::Status MarkStarted(const v1::JobFile& file);
  JobObserver ObserverOf(const std::string& id, Active& active, JobReporter& reporter);
  // The trainer is being stopped in good order.
  void Interrupt(const std::string& id);
  void End(const std::string& id, const absl::StatusOr<JobOutcome>& outcome, bool cancelled,
           Active& active, JobReporter& reporter);
  void Pause(const std::string& id, const absl::Status& why, JobReporter& reporter);
  bool WaitToRetry(Active& active, bool heed_cancel);
  // JobObserver::wait_for_room.
  bool WaitForRoom(const std::string& id, const absl::Status& why, Active& active,
                   JobReporter& reporter);
  // Removes the states of FAILED and CANCELLED jobs but those that ended last.
  void DropOldStates() ABSL_EXCLUSIVE_LOCKS_REQUIRED(ended_mutex_);
  // Removes the files of ended jobs but those that ended last, and those that have a state.
  void DropOldFiles() ABSL_EXCLUSIVE_LOCKS_REQUIRED(ended_mutex_);
  // The versions that jobs need: those of the store, and those of jobs whose state is kept.
  std::vector<int64_t> NeededVersions() const;
  // The ended jobs that a test of `file` picks, the one that ended last first.
  std::vector<std::string> Ended(const std::function<bool(const v1::JobFile&)>& picked) const;
  absl::StatusOr<v1::Job> CancelQueued(const std::string& id, const Place& place);
  absl::StatusOr<v1::Job> CancelActive(const std::string& id,
                                       const std::shared_ptr<Active>& active);
  JobReporter ReporterOf(const std::string& id) const {
    return JobReporter(id, &store_, &metrics_, options_.reporter);
  }

  const JobSchedulerOptions options_;
  JobStore& store_;
  JobRunner& runner_;
  TrainerMetrics& metrics_;
  std::atomic<bool> stopping_{false};
  // Held while an ended job is queued again or loses its state or files; taken before mutex_.
  absl::Mutex ended_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  // Told when a pause may be over.
  SteadyWait pause_;
  std::set<Place> queue_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Active>> active_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_SCHEDULER_H_
