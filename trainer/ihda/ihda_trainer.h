// One training run, from a spec to a model.
#ifndef S2P_TRAINER_IHDA_IHDA_TRAINER_H_
#define S2P_TRAINER_IHDA_IHDA_TRAINER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/trained_model.h"

namespace s2p {

struct IhdaTrainerOptions {
  // Where `initial_version` of a spec is looked for.
  std::string checkpoint_root;
  // File that holds the state after the last whole epoch; empty: none is kept. Removed by
  // ForgetState.
  std::string state_file;
  // Threads of LibTorch's CPU kernels and of decoding. Results are the same bits only for the same
  // number. 0: one per core.
  int threads = 0;
  // Called after each update; `losses` holds the means since the last call.
  std::function<void(const v1::TrainingProgress&)> on_progress;
  // Called after each epoch, evaluated where the spec says so; `losses` holds the epoch's means.
  std::function<void(const v1::TrainingProgress&, const std::vector<v1::Evaluation>&)> on_epoch;
  // A sentence about the data: what is odd about it (trainer/ihda/data_report.h), before any image
  // is read, and what was seen when they were.
  std::function<void(const std::string&)> on_message;
  // What is being read, done, total.
  std::function<void(const std::string&, int64_t, int64_t)> on_loading;
  // Asked before each update: true ends Run with Cancelled.
  std::function<bool()> stop = [] { return false; };
};

// Trains both steps of IHDA as a resolved spec says. On the CPU the result is a function of the
// spec, the data and the number of threads, bit for bit, however often the run was interrupted.
// One thread only.
class IhdaTrainer {
 public:
  // Checks the spec, opens the data sets, reads all images, makes the networks and loads their
  // first weights or, where the state file is there, where the run stood. InvalidArgument names
  // what is wrong with spec, device or weights; FailedPrecondition if the data cannot be trained on
  // or the state is of another run; DataLoss if it is damaged; else as DataSet::Open.
  static absl::StatusOr<std::unique_ptr<IhdaTrainer>> Create(const v1::TrainingSpec& resolved,
                                                             const IhdaTrainerOptions& options);
  virtual ~IhdaTrainer() = default;

  // Trains on from where it stands. ResourceExhausted when the state file's disk is full;
  // FailedPrecondition when the device's memory is. Cancelled if `stop` said so: whole epochs are
  // kept in the state file. InvalidArgument naming step, epoch, update and term when a loss is not
  // finite; the networks as they were before that update are kept beside the state file then, as
  // STATE_FILE.failed.
  virtual absl::Status Run() = 0;
  // True if it began from a state file.
  virtual bool resumed() const = 0;
  // Of the validation identities and of the test split, where there are any, in both directions,
  // with the networks as they are: after Run those that are kept, before it ends those of the run
  // of step 2 that is under way.
  virtual absl::StatusOr<std::vector<v1::Evaluation>> EvaluateAll() = 0;
  // Copies the networks as they are. `evaluations` and `job_id` go into the manifest.
  virtual absl::StatusOr<TrainedModel> Model(const std::vector<v1::Evaluation>& evaluations,
                                             const std::string& job_id) = 0;
  // Removes the state file.
  virtual void ForgetState() = 0;
  // As RunDigest (trainer/ihda/run_digest.h).
  virtual const std::string& run_digest() const = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_IHDA_TRAINER_H_
