#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "daemon/folder_lock.h"
#include "daemon/main_memory.h"
#include "model/checkpoint_store.h"
#include "model/file.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/memory/run_memory.h"
#include "trainer/parallel/launch.h"
#include "trainer/parallel/process_group.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/train_run.h"
#include "trainer/program/training_display.h"

namespace s2p {
namespace {

absl::Status WriteSpec(const v1::TrainingSpec& spec, const std::string& folder) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  const auto status = google::protobuf::util::MessageToJsonString(spec, &json, options);
  std::ofstream file(folder + "/spec.json");
  file << json;
  file.close();
  if (!status.ok() || !file) {
    return absl::FailedPreconditionError(absl::StrCat(folder, "/spec.json: cannot be written"));
  }
  return absl::OkStatus();
}

// A store that cannot be written to is found out before hours of training.
absl::Status CheckCanPublish(const std::string& checkpoint_root) {
  if (checkpoint_root.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(checkpoint_root, error);
  if (error) return FileError(error.value(), checkpoint_root, "--checkpoint-root cannot be made");
  if (access(checkpoint_root.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return FileError(errno, checkpoint_root, "--checkpoint-root cannot be written to");
}

absl::Status Finish(TrainRun& run, const std::string& checkpoint_root, std::ostream& out) {
  if (const std::string curve = run.DrawCurve(); !curve.empty()) {
    out << "learning curve: " << curve << '\n';
  }
  S2P_ASSIGN_OR_RETURN(const auto evaluations, run.trainer().EvaluateAll());
  if (!evaluations.empty()) out << EvaluationTable(evaluations);
  const CheckpointStore store(checkpoint_root);
  S2P_ASSIGN_OR_RETURN(const auto outcome,
                       run.Publish(evaluations, checkpoint_root.empty() ? nullptr : &store));
  out << outcome.reason;
  if (outcome.version != 0) out << " in " << store.DirectoryOf(outcome.version);
  out << '\n';
  run.trainer().ForgetState();
  return absl::OkStatus();
}

// One process alone, or where `ranks` are set one of them.
absl::Status Train(const RunOptions& options, const v1::TrainingSpec& spec, Ranks* ranks,
                   const std::function<bool()>& stop, bool terminal, std::ostream& out) {
  const bool finishes = ranks == nullptr || ranks->first();
  if (!options.state_dir.empty()) {
    // JobFolder reports an error.
    std::error_code ignored;
    std::filesystem::create_directories(options.state_dir, ignored);
  }
  DataSetDigestCache digests(options.state_dir.empty() ? "" : DigestsFile(options.state_dir));
  S2P_ASSIGN_OR_RETURN(auto plan,
                       PlanRun(spec, options.checkpoint_root, /*held_back=*/{}, stop, &digests));
  if (finishes) S2P_RETURN_IF_ERROR(CheckCanPublish(options.checkpoint_root));
  S2P_RETURN_IF_ERROR(CheckRunFits(
      plan.data_sets, plan.spec, [] { return MeasureMainMemory(); },
      ranks == nullptr ? 1 : ranks->count()));
  const std::string job_id = RunId(plan);
  S2P_ASSIGN_OR_RETURN(const auto folder, JobFolder(options.state_dir, plan));
  std::unique_ptr<FolderLock> lock;
  if (!folder.empty()) {
    S2P_ASSIGN_OR_RETURN(lock, FolderLock::Acquire(folder));
    S2P_RETURN_IF_ERROR(WriteSpec(plan.spec, folder));
  }
  TrainingDisplay display(&out, terminal);
  TrainingObserver observer = ObserverOf(display, stop);
  observer.on_message = [&out](const std::string& sentence) { out << sentence << '\n'; };
  observer.on_epoch = [&display](const auto& progress, const auto&) { display.Epoch(progress); };
  const SteadyTime start = SteadyTime::Now();
  IhdaTrainerOptions trainer{options.checkpoint_root, /*state_file=*/"", options.threads, observer};
  trainer.ranks = ranks;
  S2P_ASSIGN_OR_RETURN(const auto run,
                       TrainRun::Start(std::move(plan), job_id, folder, std::move(trainer)));
  const absl::Status status = run->trainer().Run();
  if (absl::IsCancelled(status) && !folder.empty()) {
    return absl::CancelledError(
        absl::StrCat(status.message(), " in ", folder, "; run the same command again to resume"));
  }
  if (!status.ok() || !finishes) return status;
  out << absl::StrFormat("trained in %s\n", absl::FormatDuration(absl::Trunc(
                                                SteadyTime::Now() - start, absl::Seconds(1))));
  return Finish(*run, options.checkpoint_root, out);
}

// Rank 0 does what one process does. The others train with it, and neither print nor keep anything.
absl::Status TrainAsRank(const RunOptions& options, const v1::TrainingSpec& spec, Ranks& ranks,
                         const std::function<bool()>& stop, bool terminal, std::ostream& out) {
  if (ranks.first()) {
    out << "training with " << ranks.count() << " processes\n";
    return Train(options, spec, &ranks, stop, terminal, out);
  }
  RunOptions own = options;
  own.state_dir.clear();
  std::ostream silent(nullptr);
  return Train(own, spec, &ranks, stop, /*terminal=*/false, silent);
}

}  // namespace

absl::Status RunTraining(const RunOptions& options, const std::function<bool()>& stop,
                         bool terminal, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto spec, SpecOf(options.spec));
  S2P_ASSIGN_OR_RETURN(const Launch launch, LaunchFromEnvironment());
  if (launch.processes == 1) return Train(options, spec, nullptr, stop, terminal, out);
  S2P_RETURN_IF_ERROR(CheckBatchSizes(spec, launch));
  S2P_ASSIGN_OR_RETURN(const auto ranks,
                       ProcessGroup::Join(launch, {options.rank_host, options.rank_timeout}));
  const absl::Status status = ranks->Leave(TrainAsRank(options, spec, *ranks, stop, terminal, out));
  // A lost rank is named already.
  if (status.ok() || !ranks->status().ok()) return status;
  return absl::Status(status.code(), absl::StrCat("rank ", launch.rank, " of ", launch.processes,
                                                  ": ", status.message()));
}

}  // namespace s2p
