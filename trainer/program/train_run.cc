#include "trainer/program/train_run.h"

#include <google/protobuf/text_format.h>

#include <utility>

#include "base/status_macros.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

std::string TextOf(const v1::TrainingSpec& spec) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(spec, &text);
  return text;
}

}  // namespace

std::string DrawCurveOf(const v1::TrainingSpec& spec, const std::string& job_id,
                        const std::string& folder) {
  return DrawEpochLog(folder, spec.name().empty() ? job_id : spec.name());
}

absl::StatusOr<std::unique_ptr<TrainRun>> TrainRun::Start(RunPlan plan, const std::string& job_id,
                                                          const std::string& folder,
                                                          IhdaTrainerOptions options) {
  std::unique_ptr<TrainRun> run(new TrainRun(plan.spec, job_id, folder));
  if (!folder.empty()) {
    options.state_file = folder + "/resume";
    run->events_ = std::make_unique<EventLog>(
        folder, RunsStep1(run->spec_) ? int64_t{run->spec_.step1().epochs()} : 0,
        TextOf(run->spec_));
    options.observer.on_epoch = [run = run.get(), on_epoch = options.observer.on_epoch](
                                    const auto& progress, const auto& evaluations) {
      run->log_->Write(progress);
      run->events_->WriteEpoch(progress, evaluations);
      run->DrawCurve();
      on_epoch(progress, evaluations);
    };
  }
  S2P_ASSIGN_OR_RETURN(run->trainer_, IhdaTrainer::Create(std::move(plan), options));
  if (!folder.empty()) run->log_.emplace(folder, run->trainer_->resumed());
  if (run->trainer_->resumed()) {
    options.observer.on_message("resuming from the last whole epoch");
  }
  return run;
}

absl::StatusOr<PublishOutcome> TrainRun::Publish(const std::vector<v1::Evaluation>& evaluations,
                                                 const CheckpointStore* store) {
  if (events_ != nullptr) events_->WriteResults(evaluations);
  S2P_ASSIGN_OR_RETURN(const auto model, trainer_->Model(evaluations, job_id_));
  PublishOutcome outcome{0, "not published: no --checkpoint-root"};
  if (store != nullptr) {
    S2P_ASSIGN_OR_RETURN(outcome, PublishModel(spec_, model, *store));
  }
  return outcome;
}

std::string TrainRun::DrawCurve() const {
  return folder_.empty() ? std::string() : DrawCurveOf(spec_, job_id_, folder_);
}

}  // namespace s2p
