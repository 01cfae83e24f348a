#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "daemon/folder_lock.h"
#include "model/checkpoint_store.h"
#include "model/file.h"
#include "trainer/ihda/ihda_trainer.h"
#include "trainer/ihda/run_digest.h"
#include "trainer/pictures/epoch_log.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/publisher.h"
#include "trainer/program/training_display.h"
#include "trainer/spec/training_spec.h"

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

absl::Status Finish(IhdaTrainer& trainer, const v1::TrainingSpec& spec, const std::string& job_id,
                    const std::string& checkpoint_root, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto evaluations, trainer.EvaluateAll());
  if (!evaluations.empty()) out << EvaluationTable(evaluations);
  S2P_ASSIGN_OR_RETURN(const auto model, trainer.Model(evaluations, job_id));
  if (checkpoint_root.empty()) {
    out << "not published: no --checkpoint-root\n";
    return absl::OkStatus();
  }
  const CheckpointStore store(checkpoint_root);
  S2P_ASSIGN_OR_RETURN(const auto outcome, PublishModel(spec, model, store));
  out << outcome.reason;
  if (outcome.version != 0) out << " in " << store.DirectoryOf(outcome.version);
  out << '\n';
  return absl::OkStatus();
}

// What the run tells goes to the display, to `out` and, if there is one, to the log: all outlive
// it.
void ShowOn(TrainingDisplay& display, EpochLog* log, std::ostream& out,
            IhdaTrainerOptions& options) {
  options.on_loading = [&display](const std::string& what, int64_t done, int64_t total) {
    display.Loading(what, done, total);
  };
  options.on_message = [&out](const std::string& sentence) { out << sentence << '\n'; };
  options.on_progress = [&display](const v1::TrainingProgress& p) { display.Update(p); };
  options.on_epoch = [&display, log](const v1::TrainingProgress& progress,
                                     const std::vector<v1::Evaluation>&) {
    display.Epoch(progress);
    if (log != nullptr) log->Write(progress);
  };
}

// What cannot be published is known before it is trained.
absl::Status CheckCanPublish(const std::string& checkpoint_root) {
  if (checkpoint_root.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(checkpoint_root, error);
  if (error) return FileError(error.value(), checkpoint_root, "--checkpoint-root cannot be made");
  if (access(checkpoint_root.c_str(), W_OK | X_OK) == 0) return absl::OkStatus();
  return FileError(errno, checkpoint_root, "--checkpoint-root cannot be written to");
}

}  // namespace

absl::Status RunTraining(const RunOptions& options, const std::function<bool()>& stop,
                         bool terminal, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto spec, SpecOf(options.spec));
  S2P_RETURN_IF_ERROR(ValidateSpec(spec));
  S2P_RETURN_IF_ERROR(CheckCanPublish(options.checkpoint_root));
  S2P_ASSIGN_OR_RETURN(const auto digest, RunDigest(spec));
  const std::string job_id = absl::StrCat("run-", digest.substr(0, 12));
  S2P_ASSIGN_OR_RETURN(const auto folder, JobFolder(options.state_dir, job_id));

  std::unique_ptr<FolderLock> lock;
  if (!folder.empty()) {
    S2P_ASSIGN_OR_RETURN(lock, FolderLock::Acquire(folder));
  }

  TrainingDisplay display(&out, terminal);
  std::unique_ptr<EpochLog> log;
  IhdaTrainerOptions trainer_options;
  trainer_options.checkpoint_root = options.checkpoint_root;
  trainer_options.threads = options.threads;
  trainer_options.stop = stop;
  if (!folder.empty()) {
    S2P_RETURN_IF_ERROR(WriteSpec(spec, folder));
    trainer_options.state_file = folder + "/resume";
    log = std::make_unique<EpochLog>(folder);
  }
  ShowOn(display, log.get(), out, trainer_options);

  const absl::Time begin = absl::Now();
  S2P_ASSIGN_OR_RETURN(auto trainer, IhdaTrainer::Create(spec, trainer_options));
  if (trainer->resumed()) out << "goes on where it was interrupted\n";
  absl::Status status = trainer->Run();
  if (absl::IsCancelled(status) && !folder.empty()) {
    return absl::CancelledError(
        absl::StrCat(status.message(), " in ", folder, "; run the same command again to go on"));
  }
  if (!status.ok()) return status;
  out << absl::StrFormat("trained in %s\n",
                         absl::FormatDuration(absl::Trunc(absl::Now() - begin, absl::Seconds(1))));
  if (!folder.empty()) {
    const std::string curve = DrawEpochLog(folder, spec.name().empty() ? job_id : spec.name());
    if (!curve.empty()) out << "learning curve: " << curve << '\n';
  }
  status = Finish(*trainer, spec, job_id, options.checkpoint_root, out);
  if (status.ok()) trainer->ForgetState();
  return status;
}

}  // namespace s2p
