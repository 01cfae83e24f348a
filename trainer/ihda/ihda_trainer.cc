#include "trainer/ihda/ihda_trainer.h"

#include <ATen/Parallel.h>
#include <torch/cuda.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/hardware_threads.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256.h"
#include "model/torch_device.h"
#include "model/torch_version.h"
#include "trainer/ihda/build_text.h"
#include "trainer/ihda/data_report.h"
#include "trainer/ihda/device_memory.h"
#include "trainer/ihda/first_weights.h"
#include "trainer/ihda/human_share.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/resume_state.h"
#include "trainer/ihda/train_loop.h"
#include "trainer/ihda/training_format.h"
#include "trainer/parallel/ranks.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// Ranks of one machine have a GPU each.
absl::StatusOr<torch::Device> DeviceOf(const v1::TrainingSpec& spec, const Ranks* ranks) {
  std::string name = spec.device().empty() ? "auto" : spec.device();
  if (name == "auto" && ranks != nullptr && torch::cuda::is_available()) {
    // A launcher may show each process its own GPU alone, which is number 0 then.
    name = absl::StrCat("cuda:", ranks->local_rank() % torch::cuda::device_count());
  }
  S2P_ASSIGN_OR_RETURN(const auto device, SelectDevice(name));
  if (spec.precision() != v1::PRECISION_BF16) return device;
  const absl::Status status = CheckBf16(device);
  if (status.ok()) return device;
  return absl::Status(status.code(), absl::StrCat("precision: ", status.message()));
}

std::string ContentOf(const TrainingData& data) {
  std::string labels;
  for (const LabelledImages* images : {&data.source, &data.photos, &data.sketches}) {
    absl::StrAppend(&labels, absl::StrJoin(images->labels, ","), ";");
  }
  return absl::StrCat(data.source.labels.size(), " photos of the source, ",
                      data.photos.labels.size(), " of the target and ", data.sketches.labels.size(),
                      " sketches (", Sha256(labels), ")");
}

std::string WriterOf(const ResumeState& state) {
  return state.build.empty() ? "an older program" : state.build;
}

std::string UnreadableNow(const std::vector<std::string>& paths) {
  if (paths.empty()) return "";
  return absl::StrCat("; ", paths.size(), " of the images cannot be read now, such as ", paths[0]);
}

// Says in what the state is another run's than the plan's; nothing if it is the same.
std::optional<std::string> DifferenceOf(const ResumeState& state, const RunPlan& plan) {
  std::vector<std::string> differences;
  if (const int format = TrainingFormatOf(plan.spec); state.training_format != format) {
    differences.push_back(absl::StrCat("the rules of training, from those of ", WriterOf(state),
                                       " (format ", state.training_format, ") to those of ",
                                       BuildText(), " (format ", format, ")"));
  }
  if (!IsOfRun(state.run_digest, state.run, plan)) {
    differences.push_back(
        absl::StrCat(WhatChanged(state.run, plan.identity()), UnreadableNow(plan.unreadable)));
  }
  if (differences.empty()) return std::nullopt;
  return absl::StrJoin(differences, "; ");
}

// An error if what a run of the spec begins with is not there.
absl::Status FindBeginning(const v1::TrainingSpec& spec, const std::string& checkpoint_root) {
  if (!spec.initial_weights().empty()) {
    const auto weights = InputFile::Open(spec.initial_weights());
    if (!weights.ok()) {
      return absl::Status(weights.status().code(),
                          absl::StrCat("to start from the beginning takes the initial weights: ",
                                       weights.status().message()));
    }
  }
  if (!spec.has_initial_version()) return absl::OkStatus();
  return FindInitialVersion(checkpoint_root, spec.initial_version());
}

absl::Status OutOfMemory(const absl::Status& status) {
  return WithoutDeviceMemory(status, "lower batch_size, or raise accumulate");
}

}  // namespace

IhdaTrainer::IhdaTrainer(RunPlan plan, const IhdaTrainerOptions& options)
    : plan_(std::move(plan)), options_(options), spec_(plan_.spec) {}

IhdaTrainer::~IhdaTrainer() = default;

absl::StatusOr<std::unique_ptr<IhdaTrainer>> IhdaTrainer::Create(
    RunPlan plan, const IhdaTrainerOptions& options) {
  std::unique_ptr<IhdaTrainer> trainer(new IhdaTrainer(std::move(plan), options));
  try {
    if (absl::Status status = trainer->Start(); !status.ok()) return OutOfMemory(status);
  } catch (const std::exception& error) {
    return trainer->StatusOf(error);
  }
  return trainer;
}

absl::Status IhdaTrainer::StatusOf(const std::exception& error) const {
  if (options_.ranks != nullptr && !options_.ranks->status().ok()) return options_.ranks->status();
  return OutOfMemory(TorchError(error, "training"));
}

absl::Status IhdaTrainer::CheckSameRun(const std::string& mine) {
  if (options_.ranks == nullptr) return absl::OkStatus();
  const std::string of_first = options_.ranks->BroadcastBytes(mine);
  if (mine == of_first) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("rank ", options_.ranks->rank(), " is to train another run than rank 0: ", mine,
                   ", and there ", of_first, ". Start all with the same program, spec and data"));
}

bool IhdaTrainer::HasState() const {
  std::error_code error;
  const bool has_state =
      !options_.state_file.empty() && std::filesystem::exists(options_.state_file, error);
  if (options_.ranks == nullptr) return has_state;
  return options_.ranks->BroadcastNumber(has_state ? 1 : 0) > 0;
}

absl::StatusOr<ResumeState> IhdaTrainer::ReadState() const {
  if (options_.ranks == nullptr) return ReadResumeState(options_.state_file);
  std::string content;
  if (options_.ranks->first()) {
    S2P_ASSIGN_OR_RETURN(content, ReadResumeBytes(options_.state_file));
  }
  content = options_.ranks->BroadcastBytes(content);
  return ParseResumeState(options_.ranks->first() ? options_.state_file : "the state of rank 0",
                          content);
}

absl::Status IhdaTrainer::Start() {
  S2P_ASSIGN_OR_RETURN(const auto device, DeviceOf(plan_.spec, options_.ranks));
  S2P_RETURN_IF_ERROR(CheckSameRun(absl::StrCat("run ", plan_.digest, " of ", BuildText())));
  const int threads = options_.threads > 0 ? options_.threads : HardwareThreads();
  at::set_num_threads(threads);
  UseFullFloat32();
  S2P_ASSIGN_OR_RETURN(manifest_, ManifestOf(plan_.spec, plan_.data_sets.attributes()));
  for (const std::string& sentence : ReportData(plan_.data_sets, plan_.spec)) {
    options_.observer.on_message(sentence);
  }
  torch::manual_seed(TorchSeed(plan_.spec));
  S2P_ASSIGN_OR_RETURN(networks_,
                       IhdaNetworks::Create(plan_.spec, manifest_, device, options_.ranks));
  const bool has_state = HasState();
  // Before the images, which may take an hour: weights of another network end the run at once.
  if (!has_state) S2P_RETURN_IF_ERROR(LoadWeights());
  S2P_ASSIGN_OR_RETURN(
      data_, LoadTrainingData(plan_.data_sets, plan_.spec, manifest_, threads, options_.observer));
  // An image that one rank alone cannot read would give it other batches.
  if (options_.ranks != nullptr) S2P_RETURN_IF_ERROR(CheckSameRun(ContentOf(data_)));
  loop_ = std::make_unique<TrainLoop>(spec_, plan_, options_.state_file, options_.observer,
                                      options_.wait_for_room, data_, *networks_);
  return has_state ? Resume() : Begin();
}

absl::Status IhdaTrainer::LoadWeights() {
  return LoadFirstWeights(plan_.spec, options_.checkpoint_root, plan_.data_sets.attributes(),
                          networks_->encoder());
}

absl::Status IhdaTrainer::Begin() {
  double share = 0;
  Ranks* ranks = options_.ranks;
  if (ranks == nullptr || ranks->first()) {
    S2P_ASSIGN_OR_RETURN(
        share, FitFirstProjection(plan_.spec, data_, networks_->encoder(), options_.observer.stop));
  }
  if (ranks != nullptr) {
    share = ranks->BroadcastNumber(share);
    networks_->TakeWeightsOfFirst();
  }
  spec_.mutable_pseudo()->set_human_share(share);
  if (share > 0) {
    options_.observer.on_message(absl::StrCat("pairs of people (", PeoplesPairs(data_),
                                              ") make up to ", std::lround(100 * share),
                                              " % of an epoch; the rest are pseudo-sketches"));
  }
  return absl::OkStatus();
}

absl::Status IhdaTrainer::Resume() {
  S2P_ASSIGN_OR_RETURN(auto state, ReadState());
  if (const auto difference = DifferenceOf(state, plan_); difference) {
    const std::string what = absl::StrCat("changed since the run was interrupted: ", *difference);
    if (options_.restarts_when_changed) return StartOver(what);
    return absl::FailedPreconditionError(
        absl::StrCat(options_.state_file, ": belongs to another run; ", what,
                     ". Use another state folder, or remove the file to start from the beginning"));
  }
  if (state.build != BuildText()) {
    options_.observer.on_message(absl::StrCat("continuing what ", WriterOf(state),
                                              " has trained; this program, ", BuildText(),
                                              ", trains by the same rules"));
  }
  spec_.mutable_pseudo()->set_human_share(state.human_share);
  S2P_RETURN_IF_ERROR(loop_->Restore(std::move(state)));
  resumed_ = true;
  return absl::OkStatus();
}

absl::Status IhdaTrainer::StartOver(const std::string& why) {
  // The state is the only thing left of a run that cannot begin.
  const absl::Status beginning = FindBeginning(plan_.spec, options_.checkpoint_root);
  if (!beginning.ok()) {
    return absl::Status(beginning.code(), absl::StrCat(why, "; ", beginning.message()));
  }
  const std::string old = options_.state_file + ".old";
  std::error_code error;
  std::filesystem::rename(options_.state_file, old, error);
  if (error) return FileError(error.value(), options_.state_file, "rename");
  options_.observer.on_start_over();
  options_.observer.on_message(
      absl::StrCat(why, "; starting from the beginning; the old state is in ", old));
  S2P_RETURN_IF_ERROR(LoadWeights());
  return Begin();
}

absl::Status IhdaTrainer::Run() {
  try {
    return loop_->Run();
  } catch (const std::exception& error) {
    return StatusOf(error);
  }
}

absl::Status IhdaTrainer::EvaluateOn(const EvaluationSet& set, const std::string& split,
                                     std::vector<v1::Evaluation>& evaluations) {
  auto results = EvaluateBothWays(networks_->encoder(), set, options_.observer.stop);
  if (!results.ok()) return OutOfMemory(results.status());
  for (EvaluationResult& result : *results) {
    result.evaluation.set_dataset(plan_.data_sets.target.name());
    result.evaluation.set_split(split);
    evaluations.push_back(std::move(result.evaluation));
  }
  return absl::OkStatus();
}

absl::Status IhdaTrainer::EvaluateSplits(const std::string& suffix,
                                         std::vector<v1::Evaluation>& evaluations) {
  if (data_.validation) {
    S2P_RETURN_IF_ERROR(EvaluateOn(*data_.validation, "train-validation" + suffix, evaluations));
  }
  if (!data_.test) return absl::OkStatus();
  return EvaluateOn(*data_.test, "test" + suffix, evaluations);
}

absl::StatusOr<std::vector<v1::Evaluation>> IhdaTrainer::EvaluateAll() {
  try {
    return EvaluateNetworks();
  } catch (const std::exception& error) {
    return StatusOf(error);
  }
}

absl::StatusOr<std::vector<v1::Evaluation>> IhdaTrainer::EvaluateNetworks() {
  std::vector<v1::Evaluation> evaluations;
  S2P_RETURN_IF_ERROR(EvaluateSplits("", evaluations));
  const auto& last = loop_->last_epoch_weights();
  if (!last) return evaluations;
  DualEncoder& encoder = networks_->encoder();
  const TensorMap kept = encoder.Weights();
  absl::Status status = encoder.SetWeights(*last);
  if (status.ok()) status = EvaluateSplits("-last-epoch", evaluations);
  // An evaluation that fails must not exchange the model, either.
  if (const absl::Status back = encoder.SetWeights(kept); !back.ok()) return back;
  if (!status.ok()) return status;
  return evaluations;
}

absl::StatusOr<TrainedModel> IhdaTrainer::Model(const std::vector<v1::Evaluation>& evaluations,
                                                const std::string& job_id) {
  auto model = MakeTrainedModel(plan_.spec, plan_.data_sets, plan_.contents, manifest_, evaluations,
                                job_id, networks_->encoder());
  if (!model.ok()) return OutOfMemory(model.status());
  return model;
}

void IhdaTrainer::ForgetState() {
  std::error_code ignored;
  if (!options_.state_file.empty()) std::filesystem::remove(options_.state_file, ignored);
}

}  // namespace s2p
