#include <google/protobuf/util/json_util.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "daemon/folder_lock.h"
#include "model/checkpoint.h"
#include "model/checkpoint_store.h"
#include "model/file.h"
#include "trainer/evaluation/cross_validation.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/ihda/build_text.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/ihda/start_plan.h"
#include "trainer/memory/run_memory.h"
#include "trainer/program/command_spec.h"
#include "trainer/program/commands.h"
#include "trainer/program/evaluation_report.h"
#include "trainer/program/train_run.h"
#include "trainer/program/training_display.h"
#include "trainer/spec/spec_errors.h"

namespace s2p {
namespace {

constexpr uint64_t kMaxResultBytes = uint64_t{1} << 20;

// One training: its spec and, where folds are the splits, what it holds back.
struct Split {
  v1::TrainingSpec spec;
  std::optional<HeldBack> held_back;
};

// Gives the models of all splits embeddings of one length, that of the first, so that they can be
// compared.
absl::Status SettleOneDimension(const std::string& checkpoint_root, std::vector<Split>& splits) {
  Split& first = splits.front();
  if (first.spec.embedding().few_pairs_dimension() == 0) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(auto data_sets, OpenTrainingDataSets(first.spec));
  if (first.held_back) data_sets.held_back = *first.held_back;
  S2P_RETURN_IF_ERROR(SettleDimension(data_sets, checkpoint_root, first.spec));
  for (Split& split : splits) *split.spec.mutable_embedding() = first.spec.embedding();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Split>> Splits(const CrossValidateOptions& options) {
  if (options.targets.empty() == (options.folds == 0)) {
    return absl::InvalidArgumentError(
        "say what the splits are: --target DIR for each of them, or --folds K of one data set");
  }
  S2P_ASSIGN_OR_RETURN(const auto spec, SpecOf(options.spec));
  std::vector<Split> splits;
  for (const std::string& target : options.targets) {
    splits.push_back({spec, std::nullopt});
    splits.back().spec.set_target_dataset(target);
  }
  for (int fold = 0; fold < options.folds; ++fold) {
    splits.push_back(
        {spec, HeldBack{0, static_cast<uint32_t>(options.folds), static_cast<uint32_t>(fold)}});
  }
  if (options.folds > 0 && spec.validation().keep_best()) {
    return absl::InvalidArgumentError(
        "validation.keep_best: must be false with --folds, because the epoch would be chosen on "
        "the "
        "fold that is measured");
  }
  for (const Split& split : splits) {
    S2P_RETURN_IF_ERROR(ValidateSpec(split.spec));
  }
  S2P_RETURN_IF_ERROR(SettleOneDimension(options.checkpoint_root, splits));
  return splits;
}

using Evaluations = std::vector<v1::Evaluation>;

// The origin of the result of a split, for people and to be compared: the run, the program, and the
// version that it starts from.
absl::StatusOr<std::string> OriginOf(const RunPlan& plan, const std::string& checkpoint_root) {
  std::string origin = absl::StrCat("run ", plan.digest, " of ", BuildText());
  if (!plan.spec.has_initial_version()) return origin;
  S2P_ASSIGN_OR_RETURN(
      const auto manifest,
      ReadManifest(CheckpointStore(checkpoint_root).DirectoryOf(plan.spec.initial_version())));
  for (const v1::CheckpointFile& file : manifest.files()) {
    absl::StrAppend(&origin, ", ", file.name(), " ", file.sha256());
  }
  return origin;
}

// Reads the result of a finished split; NotFound if it is not finished, or if it is of another
// origin.
absl::StatusOr<Evaluations> ReadResult(const std::string& path, const std::string& origin) {
  S2P_ASSIGN_OR_RETURN(const auto text, ReadWholeFile(path, kMaxResultBytes));
  v1::Job result;
  if (!google::protobuf::util::JsonStringToMessage(text, &result).ok()) {
    return absl::DataLossError(absl::StrCat(path, ": is damaged; remove it to train again"));
  }
  if (result.reason() != origin) return absl::NotFoundError(absl::StrCat(path, ": another origin"));
  return Evaluations(result.evaluations().begin(), result.evaluations().end());
}

absl::Status WriteResult(const std::string& path, const std::string& origin,
                         const Evaluations& evaluations) {
  v1::Job result;
  result.set_reason(origin);
  for (const v1::Evaluation& evaluation : evaluations) *result.add_evaluations() = evaluation;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(result, &text);
  if (!status.ok()) return absl::InternalError(absl::StrCat(path, ": ", status.ToString()));
  const std::string temporary = path + ".tmp";
  if (absl::Status written = WriteFileSynced(temporary, {absl::string_view(text)}); !written.ok()) {
    return written;
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return FileError(errno, path, "rename");
  return absl::OkStatus();
}

absl::StatusOr<Evaluations> Train(RunPlan plan, const std::string& folder,
                                  const CrossValidateOptions& options,
                                  const TrainingObserver& observer) {
  S2P_RETURN_IF_ERROR(CheckRunFits(plan.data_sets, plan.spec, options.measure_memory));
  const std::string job_id = RunId(plan);
  S2P_ASSIGN_OR_RETURN(const auto run, TrainRun::Start(std::move(plan), job_id, folder,
                                                       {options.checkpoint_root, /*state_file=*/"",
                                                        options.threads, observer}));
  S2P_RETURN_IF_ERROR(run->trainer().Run());
  return run->trainer().EvaluateAll();
}

absl::StatusOr<Evaluations> Measure(const Split& split, const CrossValidateOptions& options,
                                    const TrainingObserver& observer) {
  S2P_ASSIGN_OR_RETURN(
      auto plan, PlanRun(split.spec, options.checkpoint_root, split.held_back, observer.stop));
  S2P_ASSIGN_OR_RETURN(const auto folder, JobFolder(options.state_dir, plan));
  if (folder.empty()) return Train(std::move(plan), folder, options, observer);
  S2P_ASSIGN_OR_RETURN(const auto lock, FolderLock::Acquire(folder));
  const std::string result_file = folder + "/evaluations.json";
  S2P_ASSIGN_OR_RETURN(const auto origin, OriginOf(plan, options.checkpoint_root));
  auto finished = ReadResult(result_file, origin);
  if (!absl::IsNotFound(finished.status())) return finished;
  // An older program, or one with another version, has trained this split to its end.
  std::error_code error;
  if (std::filesystem::remove(result_file, error)) {
    std::filesystem::remove(folder + "/resume", error);
  }
  S2P_ASSIGN_OR_RETURN(const auto evaluations, Train(std::move(plan), folder, options, observer));
  S2P_RETURN_IF_ERROR(WriteResult(result_file, origin, evaluations));
  std::filesystem::remove(folder + "/resume", error);
  return evaluations;
}

// The evaluation of the split that is held back, in this direction.
absl::StatusOr<v1::Evaluation> Find(const Evaluations& evaluations, const std::string& split,
                                    const std::string& direction) {
  for (const v1::Evaluation& evaluation : evaluations) {
    if (evaluation.split() == split && evaluation.direction() == direction) return evaluation;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("there is nothing to measure on: no pairs in \"", split, "\""));
}

}  // namespace

absl::Status RunCrossValidate(const CrossValidateOptions& options,
                              const std::function<bool()>& stop, bool terminal, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto splits, Splits(options));
  const std::string held_back = options.folds > 0 ? "train-validation" : "test";
  const char* const names[] = {kSketchToPhoto, kPhotoToSketch};
  std::vector<DirectionResult> directions(2);
  for (size_t i = 0; i < splits.size(); ++i) {
    TrainingDisplay display(&out, terminal && !options.json);
    const auto evaluations = Measure(splits[i], options, ObserverOf(display, stop));
    if (!evaluations.ok()) {
      return absl::Status(evaluations.status().code(),
                          absl::StrCat("split ", i + 1, " of ", splits.size(), ": ",
                                       evaluations.status().message()));
    }
    for (size_t d = 0; d < 2; ++d) {
      S2P_ASSIGN_OR_RETURN(const auto evaluation, Find(*evaluations, held_back, names[d]));
      directions[d].splits.push_back(evaluation);
    }
    if (options.json) continue;
    const v1::Evaluation& measured = directions[0].splits.back();
    out << absl::StrFormat("split %d of %d: %d queries, rank-1 %.1f %%, mAP %.1f %%\n", i + 1,
                           splits.size(), measured.queries(), 100 * measured.rank1(),
                           100 * measured.mean_average_precision())
        << std::flush;
  }
  for (DirectionResult& direction : directions) direction.spread = SpreadOf(direction.splits);
  out << (options.json ? CrossValidationJson(directions) : CrossValidationTable(directions));
  return absl::OkStatus();
}

}  // namespace s2p
