// Who does a job's work. The daemon knows training only through this.
#ifndef S2P_TRAINER_JOBS_JOB_RUNNER_H_
#define S2P_TRAINER_JOBS_JOB_RUNNER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// What a run tells and asks while it lasts. All are set, and called on the thread that called Run;
// none takes longer than a write to the disk.
struct JobCallbacks {
  // After each update; `losses` holds the means since the last call.
  std::function<void(const v1::TrainingProgress&)> on_progress;
  // After each epoch is whole and kept: what it measured, where the spec says so.
  std::function<void(const v1::TrainingProgress&, const std::vector<v1::Evaluation>&)> on_epoch;
  // What happens now, in words for people.
  std::function<void(const std::string&)> on_message;
  // Asked at least once an update: true ends Run with Cancelled.
  std::function<bool()> stop;
  // The versions that other jobs start from, or will when their data change: pruning leaves them
  // alone. Ascending.
  std::function<std::vector<int64_t>()> needed_versions;
};

// What a run has come to.
struct JobOutcome {
  // 0: not published.
  int64_t published_version = 0;
  // Why it was or was not published, in words for people.
  std::string reason;
  std::vector<v1::Evaluation> evaluations;
  // Path of a picture; empty if there is none.
  std::string learning_curve_file;
};

// Abstract, so that the daemon is tested without LibTorch. Thread-safe: Check is called by several
// threads at once and beside Run; Run by as many as jobs may run at a time, for different jobs.
class JobRunner {
 public:
  virtual ~JobRunner() = default;

  // The spec with its preset filled in and paths that can be opened as they stand, checked whole:
  // InvalidArgument naming every wrong field at once; also for data sets that are not there, paths
  // outside the roots, a device that is not there, a batch larger than the data.
  virtual absl::StatusOr<v1::TrainingSpec> Check(const v1::TrainingSpec& spec) = 0;

  // Trains `job.resolved_spec`, evaluates, publishes. `folder` is the job's own and is there; its
  // names job.json, events.jsonl and what begins with a dot are the store's. Goes on where the
  // folder's resume file stands. Exactly one version for a job id, however often it is called.
  // Cancelled if `stop` said so; ResourceExhausted when a disk is full: nothing is lost then, call
  // again when there is room.
  virtual absl::StatusOr<JobOutcome> Run(const v1::Job& job, const std::string& folder,
                                         const JobCallbacks& callbacks) = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_JOBS_JOB_RUNNER_H_
