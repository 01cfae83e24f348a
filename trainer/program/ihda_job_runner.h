// The training daemon's jobs, done with LibTorch.
#ifndef S2P_TRAINER_PROGRAM_IHDA_JOB_RUNNER_H_
#define S2P_TRAINER_PROGRAM_IHDA_JOB_RUNNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/main_memory.h"
#include "model/checkpoint_store.h"
#include "trainer/jobs/job_runner.h"

namespace s2p {

struct RunPlan;

struct IhdaJobRunnerOptions {
  // Where models are published.
  std::string checkpoint_root;
  // Paths of a spec are relative to this folder, or absolute and inside it.
  std::string data_root;
  // Wins over the spec's; empty: the spec's.
  std::string device;
  // Threads of LibTorch's CPU kernels and of decoding; 0: one per core.
  int threads = 0;
  // Versions that stay in the store; older ones are removed after a publish, but never the newest
  // nor one that a job starts from. 0: all stay.
  int64_t keep_last = 0;
  // Tests replace it.
  std::function<absl::StatusOr<MainMemory>()> measure_memory = [] { return MeasureMainMemory(); };
};

// Keeps in a job's folder what TrainRun keeps. Its state is `resume`, and `resume.failed` and
// `resume.old`, which are kept for people. A job that does not fit into main memory fails before
// it reads an image. Thread-safe.
class IhdaJobRunner : public JobRunner {
 public:
  // Makes the store's folder. PermissionDenied naming it if it cannot be written; NotFound if there
  // is no data root; InvalidArgument for a device that is not there.
  static absl::StatusOr<std::unique_ptr<IhdaJobRunner>> Create(const IhdaJobRunnerOptions& options);

  absl::StatusOr<v1::TrainingSpec> Check(const v1::TrainingSpec& spec) override;
  absl::StatusOr<JobOutcome> Run(const v1::Job& job, const std::string& folder,
                                 const JobObserver& observer) override;
  absl::Status CheckRetry(const v1::Job& job, const std::string& folder) override;
  bool HasState(const std::string& folder) override;
  void DropState(const std::string& folder) override;

 private:
  explicit IhdaJobRunner(const IhdaJobRunnerOptions& options)
      : options_(options), store_(options.checkpoint_root) {}

  absl::StatusOr<JobOutcome> TrainAndPublish(const v1::Job& job, const std::string& folder,
                                             const JobObserver& observer);
  absl::Status CheckFits(const RunPlan& plan, const JobObserver& observer) const;

  const IhdaJobRunnerOptions options_;
  const CheckpointStore store_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_IHDA_JOB_RUNNER_H_
