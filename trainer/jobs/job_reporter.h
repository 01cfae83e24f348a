// Passes on the reports of a job's run.
#ifndef S2P_TRAINER_JOBS_JOB_REPORTER_H_
#define S2P_TRAINER_JOBS_JOB_REPORTER_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/steady_time.h"
#include "s2p/v1/training.pb.h"
#include "trainer/jobs/job_store.h"
#include "trainer/jobs/trainer_metrics.h"

namespace s2p {

struct JobReporterOptions {
  // Time between two events of progress; reports in between are averaged into the next.
  absl::Duration event_interval = absl::Milliseconds(250);
  // The clock; tests replace it.
  std::function<SteadyTime()> now = SteadyTime::Now;
  // Called after every event.
  std::function<void()> on_event = [] {};
};

// Turns the progress of one job into events, its job.json, metrics and log lines. An event that
// cannot be written (the disk is full) does not stop training: it is left out, which is logged
// once. Store and metrics are borrowed. Thread-compatible.
class JobReporter {
 public:
  JobReporter(std::string job_id, JobStore* store, TrainerMetrics* metrics,
              JobReporterOptions options);

  // As in TrainingObserver.
  void OnProgress(const v1::TrainingProgress& progress);
  void OnEpoch(const v1::TrainingProgress& progress,
               const std::vector<v1::Evaluation>& evaluations);
  void OnMessage(const std::string& message);
  void OnStartOver();

  // Reports the job's new state, which the store has already.
  void OnState(v1::Job::State state, const std::string& message);

 private:
  // Sum and number of the values of one term since the last event.
  struct TermSum {
    std::string name;
    double sum = 0;
    int count = 0;
  };

  void Add(const v1::TrainingProgress& progress);
  // Returns latest_ with the means, and starts a new window.
  v1::TrainingProgress TakeWindow();
  void Append(v1::Job::State state, const v1::TrainingProgress& progress,
              const std::string& message, bool sync);
  uint32_t ImagesOf(const v1::TrainingProgress& progress) const;

  const std::string job_id_;
  JobStore* const store_;
  TrainerMetrics* const metrics_;
  const JobReporterOptions options_;
  uint32_t batch_size_[2] = {0, 0};
  v1::TrainingProgress latest_;
  std::vector<TermSum> sums_;
  SteadyTime last_event_ = SteadyTime::InfinitePast();
  // End of the last update or epoch; unknown before the first.
  SteadyTime last_update_ = SteadyTime::InfinitePast();
  // Null until the first event, and while the events cannot be opened.
  std::shared_ptr<JobEvents> events_;
  bool cannot_write_ = false;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_REPORTER_H_
