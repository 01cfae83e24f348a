#include "trainer/program/ihda_job_runner.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/freed_memory.h"
#include "daemon/log.h"
#include "model/encoder.h"
#include "model/file.h"
#include "trainer/data/data_set.h"
#include "trainer/data/joined_pairs.h"
#include "trainer/ihda/first_weights.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/ihda/start_plan.h"
#include "trainer/memory/run_memory.h"
#include "trainer/program/spec_check.h"
#include "trainer/program/train_run.h"
#include "trainer/program/training_round.h"
#include "trainer/spec/spec_errors.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace fs = std::filesystem;
namespace {

// The file that trainer/ihda/resume_state.h writes.
constexpr char kResumeFile[] = "resume";
// The state in a job's folder: that file, and what IhdaTrainer keeps of it for people.
constexpr const char* kStateFiles[] = {kResumeFile, "resume.tmp", "resume.failed", "resume.old"};

// Publishes; waits where the disk is full.
absl::StatusOr<PublishOutcome> PublishWithRoom(TrainRun& run,
                                               const std::vector<v1::Evaluation>& evaluations,
                                               const CheckpointStore& store,
                                               const JobObserver& observer) {
  auto published = run.Publish(evaluations, &store);
  while (absl::IsResourceExhausted(published.status()) &&
         observer.wait_for_room(published.status())) {
    published = run.Publish(evaluations, &store);
  }
  if (absl::IsResourceExhausted(published.status()) && observer.stop()) {
    return absl::CancelledError("stopped before it was published");
  }
  return published;
}

// True if the job is there for the pairs that people will confirm, and has none yet: a new model
// could not be compared with the published version.
bool WaitsForPairs(const v1::TrainingSpec& spec, const DataSet& target,
                   const CheckpointStore& store) {
  if (!spec.watch() || spec.pairs_dataset().empty() ||
      spec.publish().policy() != v1::TrainingSpec::PublishSpec::POLICY_IF_BETTER ||
      !store.NewestVersion().ok()) {
    return false;
  }
  std::vector<DataSetImage> images;
  std::copy_if(target.images().begin(), target.images().end(), std::back_inserter(images),
               [](const DataSetImage& image) { return image.split != "test"; });
  return !HasPair(images);
}

JobOutcome NotTrained(const v1::TrainingSpec& spec, uint32_t pairs) {
  JobOutcome outcome;
  outcome.reason =
      "not trained: there is no pair to learn from or to measure with, and a version is "
      "published; pairs_dataset is watched";
  outcome.result = JobResult::kNotTrained;
  outcome.round = RoundOf(spec, pairs, {}, {});
  return outcome;
}

// The outcome of a job that has published a version already: a crash has come between that and its
// record.
JobOutcome OutcomeOf(const v1::Job& job, int64_t version, const std::string& version_folder) {
  JobOutcome outcome;
  outcome.published_version = version;
  outcome.reason = absl::StrCat("published as version ", version);
  const auto manifest = ReadManifest(version_folder);
  if (!manifest.ok()) return outcome;
  outcome.evaluations.assign(manifest->evaluations().begin(), manifest->evaluations().end());
  const v1::TrainingSpec& spec = job.resolved_spec();
  std::optional<v1::Comparison> comparison;
  if (manifest->provenance().has_comparison()) comparison = manifest->provenance().comparison();
  // Pairs that have come since are counted, too.
  const auto target =
      OpenWithPairs(spec.target_dataset(), spec.pairs_dataset(), ImageFiles::kMayBeMissing);
  outcome.round =
      RoundOf(spec, target.ok() ? ConfirmedPairs(*target) : 0, comparison, outcome.evaluations);
  return outcome;
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
  const auto memory = options_.measure_memory();
  const uint64_t memory_bytes = memory.ok() ? memory->total_bytes : UINT64_MAX;
  for (std::string& error : RunErrors(resolved, store_, memory_bytes)) {
    // SpecErrors has named this field already.
    const std::string field = error.substr(0, error.find(':') + 1);
    const bool named = std::any_of(errors.begin(), errors.end(), [&](const std::string& other) {
      return absl::StartsWith(other, field);
    });
    if (!named) errors.push_back(std::move(error));
  }
  S2P_RETURN_IF_ERROR(WrongSpec(errors));
  if (resolved.has_initial_version()) {
    S2P_RETURN_IF_ERROR(KeepDimensionOfVersion(options_.checkpoint_root, resolved));
  }
  return resolved;
}

absl::StatusOr<JobOutcome> IhdaJobRunner::Run(const v1::Job& job, const std::string& folder,
                                              const JobObserver& observer) {
  // A crash may have come between publishing and recording it.
  const auto published = store_.VersionOfJob(job.job_id());
  if (!published.ok() && !absl::IsNotFound(published.status())) return published.status();
  if (published.ok()) {
    JobOutcome outcome = OutcomeOf(job, *published, store_.DirectoryOf(*published));
    outcome.learning_curve_file = DrawCurveOf(job.spec(), job.job_id(), folder);
    return outcome;
  }
  auto outcome = TrainAndPublish(job, folder, observer);
  ReturnFreedMemory();
  return outcome;
}

absl::StatusOr<JobOutcome> IhdaJobRunner::TrainAndPublish(const v1::Job& job,
                                                          const std::string& folder,
                                                          const JobObserver& observer) {
  observer.on_message("reading the data");
  DataSetDigestCache digests(DigestsFile(folder));
  S2P_ASSIGN_OR_RETURN(auto plan, PlanRun(job.resolved_spec(), options_.checkpoint_root,
                                          /*held_back=*/{}, observer.stop, &digests));
  const uint32_t pairs = ConfirmedPairs(plan.data_sets.target);
  if (WaitsForPairs(job.resolved_spec(), plan.data_sets.target, store_)) {
    return NotTrained(job.resolved_spec(), pairs);
  }
  S2P_RETURN_IF_ERROR(CheckFits(plan, observer));
  IhdaTrainerOptions options;
  options.checkpoint_root = options_.checkpoint_root;
  // The data may have changed while the daemon was down, and nobody is there to ask.
  options.restarts_when_changed = true;
  options.threads = options_.threads;
  options.observer = observer;
  options.wait_for_room = observer.wait_for_room;
  S2P_ASSIGN_OR_RETURN(const auto run,
                       TrainRun::Start(std::move(plan), job.job_id(), folder, options));
  S2P_RETURN_IF_ERROR(run->trainer().Run());
  if (observer.stop()) return absl::CancelledError("stopped before it was evaluated");
  JobOutcome outcome;
  observer.on_message("evaluating");
  S2P_ASSIGN_OR_RETURN(outcome.evaluations, run->trainer().EvaluateAll());
  observer.on_message("publishing");
  S2P_ASSIGN_OR_RETURN(const auto published,
                       PublishWithRoom(*run, outcome.evaluations, store_, observer));
  outcome.published_version = published.version;
  outcome.reason = published.reason;
  outcome.round = RoundOf(job.resolved_spec(), pairs, published.comparison, outcome.evaluations);
  if (job.resolved_spec().publish().policy() == v1::TrainingSpec::PublishSpec::POLICY_NEVER) {
    outcome.result = JobResult::kNotAsked;
  }
  outcome.learning_curve_file = run->DrawCurve();
  if (published.version != 0 && options_.keep_last > 0) {
    const absl::Status pruned = store_.Prune(options_.keep_last, observer.needed_versions());
    if (!pruned.ok()) observer.on_message(absl::StrCat("not pruned: ", pruned.message()));
  }
  return outcome;
}

absl::Status IhdaJobRunner::CheckFits(const RunPlan& plan, const JobObserver& observer) const {
  observer.on_memory_bytes(ImageBytes(plan.data_sets, plan.spec));
  return CheckRunFits(plan.data_sets, plan.spec, options_.measure_memory);
}

absl::Status IhdaJobRunner::CheckRetry(const v1::Job& job, const std::string& folder) {
  const int64_t version = job.resolved_spec().initial_version();
  std::error_code error;
  if (version == 0 || fs::exists(fs::path(folder) / kResumeFile, error)) return absl::OkStatus();
  return FindInitialVersion(options_.checkpoint_root, version);
}

bool IhdaJobRunner::HasState(const std::string& folder) {
  std::error_code error;
  return std::any_of(std::begin(kStateFiles), std::end(kStateFiles),
                     [&](const char* name) { return fs::exists(fs::path(folder) / name, error); });
}

void IhdaJobRunner::DropState(const std::string& folder) {
  for (const char* name : kStateFiles) {
    std::error_code error;
    fs::remove(fs::path(folder) / name, error);
    if (error) LogWarning("a job's state is not removed", {{"file", folder + "/" + name}});
  }
}

}  // namespace s2p
