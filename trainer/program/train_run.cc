#include "trainer/program/train_run.h"

#include <utility>

#include "base/status_macros.h"

namespace s2p {
namespace {

// A device without memory is not a disk without room: waiting does not help.
absl::Status OutOfMemory(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::FailedPreconditionError(status.message());
}

}  // namespace

std::string DrawCurveOf(const v1::TrainingSpec& spec, const std::string& job_id,
                        const std::string& folder) {
  return DrawEpochLog(folder, spec.name().empty() ? job_id : spec.name());
}

TrainRun::TrainRun(v1::TrainingSpec spec, const TrainRunOptions& options)
    : spec_(std::move(spec)), options_(options) {}

absl::StatusOr<std::unique_ptr<TrainRun>> TrainRun::Start(RunPlan plan,
                                                          const TrainRunOptions& options) {
  std::unique_ptr<TrainRun> run(new TrainRun(plan.spec, options));
  IhdaTrainerOptions trainer_options;
  trainer_options.checkpoint_root = options.checkpoint_root;
  trainer_options.threads = options.threads;
  trainer_options.observer = options.observer;
  if (!options.folder.empty()) {
    trainer_options.state_file = options.folder + "/resume";
    run->log_ = std::make_unique<EpochLog>(options.folder);
    trainer_options.observer.on_epoch = [run = run.get()](const auto& progress,
                                                          const auto& evaluations) {
      run->log_->Write(progress);
      run->DrawCurve();
      run->options_.observer.on_epoch(progress, evaluations);
    };
  }
  auto trainer = IhdaTrainer::Create(std::move(plan), trainer_options);
  if (!trainer.ok()) return OutOfMemory(trainer.status());
  run->trainer_ = *std::move(trainer);
  if (run->trainer_->resumed()) {
    options.observer.on_message("resuming from the last whole epoch");
  }
  return run;
}

absl::Status TrainRun::Train() { return trainer_->Run(); }

absl::StatusOr<std::vector<v1::Evaluation>> TrainRun::Evaluate() {
  auto evaluations = trainer_->EvaluateAll();
  if (!evaluations.ok()) return OutOfMemory(evaluations.status());
  return evaluations;
}

absl::StatusOr<PublishOutcome> TrainRun::Publish(const std::vector<v1::Evaluation>& evaluations,
                                                 const CheckpointStore* store) {
  const auto model = trainer_->Model(evaluations, options_.job_id);
  if (!model.ok()) return OutOfMemory(model.status());
  PublishOutcome outcome{0, "not published: no --checkpoint-root"};
  if (store != nullptr) {
    S2P_ASSIGN_OR_RETURN(outcome, PublishModel(spec_, *model, *store));
  }
  trainer_->ForgetState();
  return outcome;
}

std::string TrainRun::DrawCurve() const {
  return log_ == nullptr ? std::string() : DrawCurveOf(spec_, options_.job_id, options_.folder);
}

}  // namespace s2p
