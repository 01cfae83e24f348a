#include "trainer/program/ihda_job_runner.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "daemon/freed_memory.h"
#include "daemon/log.h"
#include "model/encoder.h"
#include "model/file.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/pictures/epoch_log.h"
#include "trainer/program/publisher.h"
#include "trainer/program/spec_check.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// A device without memory is not a disk without room: waiting does not help.
absl::Status OfMemory(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::FailedPreconditionError(status.message());
}

std::string DrawCurve(const v1::Job& job, const std::string& folder) {
  return DrawEpochLog(folder, job.spec().name().empty() ? job.job_id() : job.spec().name());
}

}  // namespace

absl::StatusOr<std::unique_ptr<IhdaJobRunner>> IhdaJobRunner::Create(
    const IhdaJobRunnerOptions& options) {
  std::error_code error;
  if (!fs::is_directory(options.data_root, error)) {
    return absl::NotFoundError(
        absl::StrCat(options.data_root, ": there is no such folder; it is to hold the data sets"));
  }
  fs::create_directories(options.checkpoint_root, error);
  if (error) return FileError(error.value(), options.checkpoint_root, "create");
  if (access(options.checkpoint_root.c_str(), W_OK | X_OK) != 0) {
    return FileError(errno, options.checkpoint_root, "models cannot be published here");
  }
  if (!options.device.empty()) {
    S2P_RETURN_IF_ERROR(CheckDevice(options.device));
  }
  return std::unique_ptr<IhdaJobRunner>(new IhdaJobRunner(options));
}

absl::StatusOr<v1::TrainingSpec> IhdaJobRunner::Check(const v1::TrainingSpec& spec) {
  S2P_ASSIGN_OR_RETURN(auto resolved, ResolveSpec(spec));
  if (!options_.device.empty()) resolved.set_device(options_.device);
  std::vector<std::string> errors = SpecErrors(resolved);
  ConfinePaths(options_.data_root, resolved, errors);
  for (std::string& error : RunErrors(resolved, store_)) {
    // A field that is wrong by itself is named once.
    const std::string field = error.substr(0, error.find(':') + 1);
    const bool named = std::any_of(errors.begin(), errors.end(), [&](const std::string& other) {
      return absl::StartsWith(other, field);
    });
    if (!named) errors.push_back(std::move(error));
  }
  if (errors.empty()) return resolved;
  return absl::InvalidArgumentError(
      absl::StrCat("the spec is wrong: ", absl::StrJoin(errors, "; ")));
}

absl::StatusOr<JobOutcome> IhdaJobRunner::Run(const v1::Job& job, const std::string& folder,
                                              const JobCallbacks& callbacks) {
  // A crash may have come between publishing and writing down that it was done.
  const auto published = store_.VersionOfJob(job.job_id());
  if (!published.ok() && !absl::IsNotFound(published.status())) return published.status();
  if (published.ok()) {
    JobOutcome outcome;
    outcome.published_version = *published;
    outcome.reason = absl::StrCat("published as version ", *published);
    const auto manifest = ReadManifest(store_.DirectoryOf(*published));
    if (manifest.ok()) {
      outcome.evaluations.assign(manifest->evaluations().begin(), manifest->evaluations().end());
    }
    outcome.learning_curve_file = DrawCurve(job, folder);
    return outcome;
  }

  auto outcome = TrainAndPublish(job, folder, callbacks);
  ReturnFreedMemory();
  return outcome;
}

absl::StatusOr<JobOutcome> IhdaJobRunner::TrainAndPublish(const v1::Job& job,
                                                          const std::string& folder,
                                                          const JobCallbacks& callbacks) {
  S2P_ASSIGN_OR_RETURN(auto trained, Train(job, folder, callbacks));
  return Publish(job, folder, callbacks, *trained);
}

absl::StatusOr<std::unique_ptr<IhdaTrainer>> IhdaJobRunner::Train(const v1::Job& job,
                                                                  const std::string& folder,
                                                                  const JobCallbacks& callbacks) {
  EpochLog log(folder);
  IhdaTrainerOptions options;
  options.checkpoint_root = options_.checkpoint_root;
  options.state_file = folder + "/resume";
  options.threads = options_.threads;
  options.on_message = callbacks.on_message;
  options.on_progress = callbacks.on_progress;
  options.stop = callbacks.stop;
  options.on_epoch = [&](const v1::TrainingProgress& progress,
                         const std::vector<v1::Evaluation>& evaluations) {
    log.Write(progress);
    DrawCurve(job, folder);
    callbacks.on_epoch(progress, evaluations);
  };
  callbacks.on_message("reading the data");
  auto trainer = IhdaTrainer::Create(job.resolved_spec(), options);
  if (!trainer.ok()) return OfMemory(trainer.status());
  if ((*trainer)->resumed()) callbacks.on_message("goes on where it was interrupted");
  S2P_RETURN_IF_ERROR((*trainer)->Run());
  if (callbacks.stop()) return absl::CancelledError("stopped before it was evaluated");
  return trainer;
}

absl::StatusOr<JobOutcome> IhdaJobRunner::Publish(const v1::Job& job, const std::string& folder,
                                                  const JobCallbacks& callbacks,
                                                  IhdaTrainer& trainer) {
  JobOutcome outcome;
  callbacks.on_message("evaluating");
  auto evaluations = trainer.EvaluateAll();
  if (!evaluations.ok()) return OfMemory(evaluations.status());
  outcome.evaluations = *std::move(evaluations);
  const auto model = trainer.Model(outcome.evaluations, job.job_id());
  if (!model.ok()) return OfMemory(model.status());
  callbacks.on_message("publishing");
  S2P_ASSIGN_OR_RETURN(const auto result, PublishModel(job.resolved_spec(), *model, store_));
  outcome.published_version = result.version;
  outcome.reason = result.reason;
  if (result.version != 0 && options_.keep_last > 0) {
    const absl::Status pruned = store_.Prune(options_.keep_last, callbacks.needed_versions());
    if (!pruned.ok()) callbacks.on_message(absl::StrCat("not pruned: ", pruned.message()));
  }
  outcome.learning_curve_file = DrawCurve(job, folder);
  trainer.ForgetState();
  return outcome;
}

}  // namespace s2p
