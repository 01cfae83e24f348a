// One training run with its folder, as commands and the daemon make it.
#ifndef S2P_TRAINER_PROGRAM_TRAIN_RUN_H_
#define S2P_TRAINER_PROGRAM_TRAIN_RUN_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint_store.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/pictures/epoch_log.h"
#include "trainer/pictures/event_log.h"
#include "trainer/program/publisher.h"

namespace s2p {

// Keeps in its folder `resume` (trainer/ihda/resume_state.h), `metrics.jsonl`
// (trainer/pictures/epoch_log.h; a run that starts from the beginning discards that of another),
// TensorBoard's event file (trainer/pictures/event_log.h) and `learning_curve.png`, drawn after
// each epoch. One thread only.
class TrainRun {
 public:
  // Resumes the run that was interrupted in the folder, if there is one. `job_id` names the run in
  // the model's provenance, and in its picture where the spec has no name. The folder exists;
  // empty: nothing is kept. Errors as IhdaTrainer::Create.
  static absl::StatusOr<std::unique_ptr<TrainRun>> Start(RunPlan plan, const std::string& job_id,
                                                         const std::string& folder,
                                                         IhdaTrainerOptions options);

  IhdaTrainer& trainer() { return *trainer_; }
  // Publishes the trained model as the spec says (PublishModel). Without a store it only checks
  // that the model could be published. The state stays until the caller has kept how the run ended.
  absl::StatusOr<PublishOutcome> Publish(const std::vector<v1::Evaluation>& evaluations,
                                         const CheckpointStore* store);
  // Path of the learning curve; empty if there is none.
  std::string DrawCurve() const;

 private:
  TrainRun(const v1::TrainingSpec& spec, const std::string& job_id, const std::string& folder)
      : spec_(spec), job_id_(job_id), folder_(folder) {}

  const v1::TrainingSpec spec_;
  const std::string job_id_;
  const std::string folder_;
  // Unset without a folder.
  std::optional<EpochLog> log_;
  std::unique_ptr<EventLog> events_;
  std::unique_ptr<IhdaTrainer> trainer_;
};

// Draws the curve of a run from the log in its folder. Path of the picture; empty if there is none.
std::string DrawCurveOf(const v1::TrainingSpec& spec, const std::string& job_id,
                        const std::string& folder);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_TRAIN_RUN_H_
