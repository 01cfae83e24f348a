// Does the work of jobs; all that the daemon knows of training.
#ifndef S2P_TRAINER_JOBS_JOB_RUNNER_H_
#define S2P_TRAINER_JOBS_JOB_RUNNER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/spec/training_observer.h"

namespace s2p {

// A run's reports and questions. All functions are called on the thread that called Run; none but
// wait_for_room takes longer than a write to the disk.
struct JobObserver : TrainingObserver {
  // Called when a disk is full while the run holds work that is not on it yet. Returns true, after
  // a while, when the run should try to write again; false ends the run with ResourceExhausted, or
  // with Cancelled if `stop` says so.
  std::function<bool(const absl::Status&)> wait_for_room = [](const absl::Status&) {
    return false;
  };
  // Estimate of the main memory that the run needs, before it loads anything.
  std::function<void(uint64_t)> on_memory_bytes = [](uint64_t) {};
  // Returns the versions that other jobs start from, or will when their data change, ascending:
  // pruning leaves them alone.
  std::function<std::vector<int64_t>()> needed_versions = [] { return std::vector<int64_t>(); };
};

// What a job that succeeded did about publishing.
enum class JobResult {
  // It has published, or the published version is as good, or there was nothing to compare on.
  kJudged,
  // Its spec never publishes.
  kNotAsked,
  // It waits for data, and has trained nothing.
  kNotTrained,
};

// The result of a run. A plain value.
struct JobOutcome {
  // 0: not published.
  int64_t published_version = 0;
  // Why it was or was not published, for people.
  std::string reason;
  JobResult result = JobResult::kJudged;
  std::vector<v1::Evaluation> evaluations;
  // Path of a picture; empty if there is none.
  std::string learning_curve_file;
  // The round of a job that watches a pairs_dataset, as far as it is known: pairs, metric and the
  // values that were compared.
  std::optional<v1::TrainingRound> round{};
};

// Abstract, so that the daemon is tested without LibTorch. Thread-safe: several threads call Check
// and the functions about a job's state at once, also during Run; as many threads call Run, for
// different jobs, as jobs may run at a time.
class JobRunner {
 public:
  virtual ~JobRunner() = default;

  // Returns the spec with its preset filled in and with paths that can be opened as they are.
  // InvalidArgument names every wrong field at once, including missing data sets, paths outside the
  // roots, and a missing device.
  virtual absl::StatusOr<v1::TrainingSpec> Check(const v1::TrainingSpec& spec) = 0;

  // Whether another Run of a job that failed or was cancelled could begin or resume: NotFound,
  // saying what to do instead, if it would have to start from a version that is gone. Fast.
  virtual absl::Status CheckRetry(const v1::Job& job, const std::string& folder) = 0;

  // Trains `job.resolved_spec`, evaluates, publishes. `folder` is the job's own and exists; in it,
  // the names job.json, events.jsonl and those that start with a dot belong to the store. Resumes
  // from the folder's resume file. Publishes at most one version for a job id, however often it is
  // called. Cancelled if `stop` said so; ResourceExhausted when a disk is full: nothing is lost
  // then, call again when there is room; Aborted, saying how, if a process that trains has died:
  // call again, a few times.
  virtual absl::StatusOr<JobOutcome> Run(const v1::Job& job, const std::string& folder,
                                         const JobObserver& observer) = 0;

  // Whether the job's folder has files from which another Run of the job would resume, and others
  // that serve nobody once the job has succeeded.
  virtual bool HasState(const std::string& folder) = 0;
  // Removes these files. Not called for a job that is running.
  virtual void DropState(const std::string& folder) = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_RUNNER_H_
