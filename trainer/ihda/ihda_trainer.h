// One training run, from a plan to a model.
#ifndef S2P_TRAINER_IHDA_IHDA_TRAINER_H_
#define S2P_TRAINER_IHDA_IHDA_TRAINER_H_

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/ihda/trained_model.h"
#include "trainer/ihda/training_data.h"
#include "trainer/spec/training_observer.h"

namespace s2p {

class IhdaNetworks;
class Ranks;
class TrainLoop;
struct ResumeState;

struct IhdaTrainerOptions {
  // Where `initial_version` of a spec is looked up.
  std::string checkpoint_root;
  // File that holds the state after the last whole epoch; empty: none is kept. Removed by
  // ForgetState.
  std::string state_file;
  // Threads of LibTorch's CPU kernels and of decoding. Results are the same bits only for the same
  // number. 0: one per core.
  int threads = 0;
  TrainingObserver observer;
  // If spec, data, the version that the run began with, or the rules of training have changed since
  // the state was written, Create starts from the beginning and keeps the state as STATE_FILE.old,
  // instead of refusing.
  bool restarts_when_changed = false;
  // The processes that train this run together, each with an IhdaTrainer of its own; borrowed, and
  // must outlive it. Null: this one trains alone. Rank 0 alone reads the state and evaluates, and
  // only it may have a state file. The weights are those of one process, up to rounding.
  Ranks* ranks = nullptr;
  // Called when the disk is too full for the state of an epoch: after the epoch, whose work is then
  // only in memory, or before it, if a state of the last one's size (before the first: of the size
  // that follows from the networks) would not fit. Returns true, after a while, to try again; false
  // ends the run, with Cancelled if the observer stops it.
  std::function<bool(const absl::Status&)> wait_for_room = [](const absl::Status&) {
    return false;
  };
};

// Trains both steps of IHDA. On the CPU the result is a function of the spec, the data and the
// number of threads, bit for bit, however often the run was interrupted. ResourceExhausted always
// means a full disk; a device that is out of memory is FailedPrecondition. With other ranks the
// bits are a function of their number, too; Create and Run return Unavailable, as Ranks::status
// says it, if one is lost. One thread only.
class IhdaTrainer {
 public:
  // Reads all images, makes the networks and loads their first weights or, if the state file
  // exists, the state of the interrupted run. InvalidArgument names what is wrong with device or
  // weights; FailedPrecondition if the data cannot be trained on or the state is of another run;
  // DataLoss if it is damaged; Cancelled once the observer's `stop` is true.
  static absl::StatusOr<std::unique_ptr<IhdaTrainer>> Create(RunPlan plan,
                                                             const IhdaTrainerOptions& options);
  ~IhdaTrainer();

  // Trains from where the run stands. Cancelled if the observer stopped it: whole epochs are kept
  // in the state file. An epoch that it stopped while its model was evaluated is not.
  // InvalidArgument naming step, epoch, update and term when a loss is not finite; the networks
  // before that update are then kept in STATE_FILE.failed.
  absl::Status Run();
  // True if it started from a state file.
  bool resumed() const { return resumed_; }
  // The share of people's sketches that the run has, as it was chosen (trainer/ihda/human_share.h).
  double human_share() const { return spec_.pseudo().human_share(); }
  // Evaluations of the validation identities and of the test split, where there are any, in both
  // directions, with the networks as they are: after Run those that are kept, before it ends those
  // of the current repeat. With validation.keep_best also those of the last epoch, whose splits are
  // called "train-validation-last-epoch" and "test-last-epoch". Cancelled if the observer stops it;
  // networks and state file stay as they are.
  absl::StatusOr<std::vector<v1::Evaluation>> EvaluateAll();
  // Copies the networks as they are. `evaluations` and `job_id` go into the manifest.
  absl::StatusOr<TrainedModel> Model(const std::vector<v1::Evaluation>& evaluations,
                                     const std::string& job_id);
  // Removes the state file.
  void ForgetState();

 private:
  IhdaTrainer(RunPlan plan, const IhdaTrainerOptions& options);
  absl::Status Start();
  absl::Status Resume();
  absl::Status StartOver(const std::string& why);
  // FailedPrecondition if `mine`, which describes what this rank trains, is not what rank 0 says.
  absl::Status CheckSameRun(const std::string& mine);
  // Whether there is a state to resume, on rank 0.
  bool HasState() const;
  absl::StatusOr<ResumeState> ReadState() const;
  // The status for an exception of training.
  absl::Status StatusOf(const std::exception& error) const;
  // Loads the weights that the run begins with.
  absl::Status LoadWeights();
  // Fits the projection to the data, and settles the share of people's sketches.
  absl::Status Begin();
  absl::StatusOr<std::vector<v1::Evaluation>> EvaluateNetworks();
  absl::Status EvaluateSplits(const std::string& suffix, std::vector<v1::Evaluation>& evaluations);
  absl::Status EvaluateOn(const EvaluationSet& set, const std::string& split,
                          std::vector<v1::Evaluation>& evaluations);

  const RunPlan plan_;
  const IhdaTrainerOptions options_;
  // The plan's, with the share of people's sketches as it was chosen.
  v1::TrainingSpec spec_;
  v1::CheckpointManifest manifest_;
  TrainingData data_;
  std::unique_ptr<IhdaNetworks> networks_;
  std::unique_ptr<TrainLoop> loop_;
  bool resumed_ = false;
};

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_IHDA_TRAINER_H_
