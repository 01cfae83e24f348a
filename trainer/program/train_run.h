// One training run, as commands and the daemon make it: trained, measured, published, drawn.
#ifndef S2P_TRAINER_PROGRAM_TRAIN_RUN_H_
#define S2P_TRAINER_PROGRAM_TRAIN_RUN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/checkpoint_store.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/pictures/epoch_log.h"
#include "trainer/program/publisher.h"
#include "trainer/spec/training_observer.h"

namespace s2p {

struct TrainRunOptions {
  // Names the run in the model's provenance, and in its picture where the spec has no name.
  std::string job_id;
  // The run's own folder, which exists: `resume` (trainer/ihda/resume_state.h), `metrics.jsonl` (a
  // TrainingProgress for each epoch) and `learning_curve.png`. Empty: nothing is kept.
  std::string folder;
  // Where `initial_version` of a spec is looked up.
  std::string checkpoint_root;
  // As IhdaTrainerOptions.
  int threads = 0;
  TrainingObserver observer;
};

// Start, Train, Evaluate, Publish, in this order; each once. In all of them ResourceExhausted means
// a full disk: call again with the same folder when there is room. Memory that is full is
// FailedPrecondition. One thread only.
class TrainRun {
 public:
  // Resumes the run that was interrupted in the folder, if there is one. Errors as
  // IhdaTrainer::Create.
  static absl::StatusOr<std::unique_ptr<TrainRun>> Start(RunPlan plan,
                                                         const TrainRunOptions& options);

  // Errors as IhdaTrainer::Run. After each epoch the log has another line, and the picture is drawn.
  absl::Status Train();
  absl::StatusOr<std::vector<v1::Evaluation>> Evaluate();
  // Publishes as the spec says (PublishModel) and removes the state file. Without a store it only
  // checks that the model could be published.
  absl::StatusOr<PublishOutcome> Publish(const std::vector<v1::Evaluation>& evaluations,
                                         const CheckpointStore* store);
  // Path of the learning curve; empty if there is none.
  std::string DrawCurve() const;

 private:
  TrainRun(v1::TrainingSpec spec, const TrainRunOptions& options);

  const v1::TrainingSpec spec_;
  const TrainRunOptions options_;
  // Null without a folder.
  std::unique_ptr<EpochLog> log_;
  std::unique_ptr<IhdaTrainer> trainer_;
};

// Draws the curve of a run that wrote its log to `folder`. Path of the picture; empty if there is
// none.
std::string DrawCurveOf(const v1::TrainingSpec& spec, const std::string& job_id,
                        const std::string& folder);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_TRAIN_RUN_H_
