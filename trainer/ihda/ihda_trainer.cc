#include "trainer/ihda/ihda_trainer.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hardware_threads.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/torch_device.h"
#include "model/torch_version.h"
#include "trainer/data/random.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/data_report.h"
#include "trainer/ihda/first_weights.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/ihda/learning_rate.h"
#include "trainer/ihda/loss_sum.h"
#include "trainer/ihda/progress_meter.h"
#include "trainer/ihda/resume_state.h"
#include "trainer/ihda/run_digest.h"
#include "trainer/ihda/trained_model.h"
#include "trainer/ihda/training_data.h"
#include "trainer/ihda/weight_average.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

constexpr uint64_t kTorchStream = 7;
constexpr uint64_t kRunStream = 8;

// Of one run of step 2, from 0: the first one's is the spec's own.
v1::TrainingSpec SpecOfRun(const v1::TrainingSpec& spec, int run) {
  v1::TrainingSpec of_run = spec;
  if (run > 0) of_run.set_seed(SeedOf(SeedOf(spec.seed(), kRunStream), run));
  return of_run;
}

class Trainer : public IhdaTrainer {
 public:
  Trainer(v1::TrainingSpec spec, IhdaTrainerOptions options)
      : spec_(std::move(spec)), options_(std::move(options)) {}

  absl::Status Init();

  absl::Status Run() override;
  bool resumed() const override { return resumed_; }
  absl::StatusOr<std::vector<v1::Evaluation>> EvaluateAll() override;
  absl::StatusOr<TrainedModel> Model(const std::vector<v1::Evaluation>& evaluations,
                                     const std::string& job_id) override;
  void ForgetState() override;
  const std::string& run_digest() const override { return run_digest_; }

 private:
  const v1::TrainingSpec::StepSpec& step_spec(int ihda_step) const {
    return ihda_step == 1 ? spec_.step1() : spec_.step2();
  }
  absl::Status Resume();
  int runs(int ihda_step) const {
    return ihda_step == 1 ? 1 : std::max(1, static_cast<int>(spec_.averaging().runs()));
  }
  bool averages() const { return runs(2) > 1 || spec_.averaging().start_share() > 0; }
  absl::Status RunStep2();
  absl::Status RunStep(const IhdaStep& step, int run);
  absl::Status BeginRun(const IhdaStep& step);
  // From 1, over all runs, as people count.
  int EpochNumber(const IhdaStep& step, int epoch) const {
    return run_ * static_cast<int>(step_spec(step.number()).epochs()) + epoch + 1;
  }
  ResumeState State() const;
  absl::Status TakeAverage();
  absl::Status RunEpoch(const IhdaStep& step, int epoch);
  absl::Status EndEpoch(const IhdaStep& step, int epoch, v1::TrainingProgress& progress);
  absl::Status Accumulate(const IhdaStep& step, const std::vector<std::vector<int>>& indices,
                          std::vector<LoadedBatch>& parts, int epoch, int number, int count);
  absl::Status NotFinite(const IhdaStep& step, int epoch, int number, const absl::Status& cause);
  absl::Status EvaluateOn(const EvaluationSet& set, const std::string& split,
                          std::vector<v1::Evaluation>& evaluations);
  v1::TrainingProgress Progress(const IhdaStep& step, int epoch, int number, int count);

  const v1::TrainingSpec spec_;
  const IhdaTrainerOptions options_;
  std::optional<OpenDataSets> data_sets_;
  std::string run_digest_;
  v1::CheckpointManifest manifest_;
  TrainingData data_;
  int threads_ = 1;
  std::unique_ptr<IhdaNetworks> networks_;
  bool resumed_ = false;
  // Where training stands: the step that is under way, its whole epochs over all its runs, which
  // run it is in, and the updates of that run so far.
  int ihda_step_ = 1;
  int epochs_done_ = 0;
  int run_ = 0;
  int64_t iteration_ = 0;
  // Where each run of step 2 begins (IhdaNetworks::Save), and where they ended; nothing unless
  // averages().
  std::string start_;
  WeightAverage ended_;
  std::optional<v1::Evaluation> last_validation_;
  // Made when training begins.
  std::optional<ProgressMeter> meter_;
};

absl::Status Trainer::Init() {
  S2P_RETURN_IF_ERROR(ValidateSpec(spec_));
  S2P_ASSIGN_OR_RETURN(const auto device,
                       SelectDevice(spec_.device().empty() ? "auto" : spec_.device()));
  if (spec_.precision() == v1::PRECISION_BF16) {
    if (absl::Status status = CheckBf16(device); !status.ok()) {
      return absl::Status(status.code(), absl::StrCat("precision: ", status.message()));
    }
  }
  threads_ = options_.threads > 0 ? options_.threads : HardwareThreads();
  at::set_num_threads(threads_);
  UseFullFloat32();
  S2P_ASSIGN_OR_RETURN(data_sets_, OpenTrainingDataSets(spec_));
  run_digest_ = RunDigest(spec_, *data_sets_);
  S2P_ASSIGN_OR_RETURN(manifest_, ManifestOf(spec_, data_sets_->attributes()));
  if (options_.on_message) {
    for (const std::string& sentence : ReportData(*data_sets_, spec_)) {
      options_.on_message(sentence);
    }
  }
  S2P_ASSIGN_OR_RETURN(data_, LoadTrainingData(*data_sets_, spec_, manifest_, threads_,
                                               options_.on_loading, options_.on_message));
  torch::manual_seed(SeedOf(spec_.seed(), kTorchStream));
  S2P_ASSIGN_OR_RETURN(networks_, IhdaNetworks::Create(spec_, manifest_, device));
  if (data_.source.images == nullptr || spec_.step1().epochs() == 0) ihda_step_ = 2;
  std::error_code error;
  if (!options_.state_file.empty() && std::filesystem::exists(options_.state_file, error)) {
    return Resume();
  }
  return LoadFirstWeights(spec_, options_.checkpoint_root, data_, networks_->encoder());
}

absl::Status Trainer::Resume() {
  S2P_ASSIGN_OR_RETURN(auto state, ReadResumeState(options_.state_file));
  if (state.run_digest != run_digest_) {
    return absl::FailedPreconditionError(
        absl::StrCat(options_.state_file,
                     ": is of another run: the spec or the data has changed since. Use another "
                     "state folder, or remove the file to begin anew"));
  }
  ihda_step_ = state.ihda_step;
  epochs_done_ = state.epochs_done;
  iteration_ = state.iteration;
  networks_->BeginStep(ihda_step_,
                       ihda_step_ == 1 ? data_.source_identities : data_.target_identities);
  S2P_RETURN_IF_ERROR(networks_->Load(state.networks));
  start_ = std::move(state.start);
  if (state.runs_ended > 0) {
    S2P_ASSIGN_OR_RETURN(auto sum, ParseSafetensors(state.sum));
    ended_ = WeightAverage::FromSum(std::move(sum), state.runs_ended);
  }
  resumed_ = true;
  return absl::OkStatus();
}

absl::Status Trainer::Run() {
  meter_.emplace();
  try {
    if (ihda_step_ == 1) {
      S2P_ASSIGN_OR_RETURN(auto step, MakeStep1(spec_, data_));
      S2P_RETURN_IF_ERROR(RunStep(*step, /*run=*/0));
      ihda_step_ = 2;
      epochs_done_ = 0;
    }
    return RunStep2();
  } catch (const std::exception& error) {
    const absl::Status status = TorchError(error, "training");
    if (!absl::IsResourceExhausted(status)) return status;
    // Not ResourceExhausted, which Run keeps for the disk: waiting does not help here.
    return absl::FailedPreconditionError(
        absl::StrCat(status.message(), "; lower batch_size, or raise accumulate"));
  }
}

absl::Status Trainer::RunStep2() {
  const auto epochs = static_cast<int>(spec_.step2().epochs());
  for (int run = epochs == 0 ? 0 : epochs_done_ / epochs; run < runs(2); ++run) {
    S2P_ASSIGN_OR_RETURN(auto step, MakeStep2(SpecOfRun(spec_, run), data_));
    S2P_RETURN_IF_ERROR(RunStep(*step, run));
  }
  return ended_.count() > 0 ? TakeAverage() : absl::OkStatus();
}

absl::Status Trainer::RunStep(const IhdaStep& step, int run) {
  run_ = run;
  const int epochs = static_cast<int>(step_spec(step.number()).epochs());
  const uint64_t seed = SeedOf(SeedOf(SpecOfRun(spec_, run).seed(), kTorchStream), step.number());
  if (epochs_done_ == run * epochs) {
    torch::manual_seed(seed);
    S2P_RETURN_IF_ERROR(BeginRun(step));
  }
  for (int epoch = epochs_done_ - run * epochs; epoch < epochs; ++epoch) {
    // Dropout draws from torch's own numbers: begin each epoch at a known place.
    torch::manual_seed(SeedOf(seed, epoch + 1));
    S2P_RETURN_IF_ERROR(RunEpoch(step, epoch));
  }
  return absl::OkStatus();
}

// Every run of step 2 begins where the first one began.
absl::Status Trainer::BeginRun(const IhdaStep& step) {
  iteration_ = 0;
  networks_->BeginStep(step.number(), step.identities());
  if (step.number() == 1 || !averages()) return absl::OkStatus();
  if (run_ > 0) return networks_->Load(start_);
  start_ = networks_->Save();
  return absl::OkStatus();
}

absl::Status Trainer::TakeAverage() {
  S2P_RETURN_IF_ERROR(networks_->Load(start_));
  return networks_->encoder().SetWeights(
      ended_.Mean(networks_->encoder().Weights(), spec_.averaging().start_share()));
}

absl::Status Trainer::RunEpoch(const IhdaStep& step, int epoch) {
  EpochPlan plan = step.Plan(epoch);
  const int count = static_cast<int>(plan.batches.size());
  BatchLoader loader(spec_.augmentation(), std::move(plan.batches),
                     static_cast<int>(spec_.workers()));
  networks_->SetTraining();
  v1::TrainingProgress progress;
  for (int number = 0; number < count; ++number) {
    if (options_.stop()) {
      return absl::CancelledError(absl::StrCat("stopped in step ", step.number(), ", epoch ",
                                               EpochNumber(step, epoch),
                                               "; whole epochs are kept"));
    }
    std::vector<LoadedBatch> parts = loader.Next();
    S2P_RETURN_IF_ERROR(Accumulate(step, plan.indices[number], parts, epoch, number, count));
    const double rate =
        LearningRate(step_spec(step.number()), spec_.recipe(), step.number(), epoch, number, count);
    const auto group = static_cast<int>(step_spec(step.number()).accumulate());
    if ((number + 1) % group == 0 || number + 1 == count) networks_->Update(rate);
    progress = Progress(step, epoch, number, count);
    progress.set_learning_rate(rate);
    if (options_.on_progress) options_.on_progress(progress);
  }
  return EndEpoch(step, epoch, progress);
}

// Adds the gradients of one batch to those of the update that it is part of.
absl::Status Trainer::Accumulate(const IhdaStep& step, const std::vector<std::vector<int>>& indices,
                                 std::vector<LoadedBatch>& parts, int epoch, int number,
                                 int count) {
  std::vector<torch::Tensor> images;
  int64_t count_of_images = 0;
  for (LoadedBatch& part : parts) {
    images.push_back(ToTensor(part, networks_->device(), spec_.channels_last()));
    count_of_images += part.n;
  }
  const auto group = static_cast<int>(step_spec(step.number()).accumulate());
  const int place = number % group;
  if (place == 0) ++iteration_;
  const LossSum sum = step.Losses(images, indices, epoch, iteration_, *networks_);
  if (sum.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("loss: every term of step ", step.number(), " is off"));
  }
  std::vector<std::pair<std::string, double>> values;
  if (absl::Status status = sum.Read(values); !status.ok()) {
    return NotFinite(step, epoch, number, status);
  }
  meter_->Count(count_of_images, values);
  const int batches_of_update = std::min(group, count - (number - place));
  torch::Tensor total = sum.Total();
  if (batches_of_update > 1) total = total / batches_of_update;
  total.backward();
  return absl::OkStatus();
}

absl::Status Trainer::NotFinite(const IhdaStep& step, int epoch, int number,
                                const absl::Status& cause) {
  std::string text = absl::StrCat("step ", step.number(), ", epoch ", EpochNumber(step, epoch),
                                  ", update ", number + 1, ": ", cause.message());
  if (!options_.state_file.empty()) {
    const std::string path = options_.state_file + ".failed";
    const absl::Status saved = WriteResumeState(path, State());
    absl::StrAppend(&text, saved.ok() ? "; the networks before it are in " : "; not saved: ",
                    saved.ok() ? path : std::string(saved.message()));
  }
  return absl::Status(cause.code(), text);
}

ResumeState Trainer::State() const {
  ResumeState state{run_digest_, ihda_step_, epochs_done_, iteration_, networks_->Save()};
  state.start = start_;
  state.runs_ended = ended_.count();
  if (state.runs_ended > 0) state.sum = SerializeSafetensors(ended_.sum());
  return state;
}

v1::TrainingProgress Trainer::Progress(const IhdaStep& step, int epoch, int number, int count) {
  const auto epochs = static_cast<int>(step_spec(step.number()).epochs());
  v1::TrainingProgress progress = meter_->At(
      {step.number(), run_ * epochs + epoch, runs(step.number()) * epochs, number, count});
  if (last_validation_) {
    progress.set_rank1(last_validation_->rank1());
    progress.set_mean_average_precision(last_validation_->mean_average_precision());
  }
  return progress;
}

absl::Status Trainer::EndEpoch(const IhdaStep& step, int epoch, v1::TrainingProgress& progress) {
  epochs_done_ = EpochNumber(step, epoch);
  const bool last = epoch + 1 == static_cast<int>(step_spec(step.number()).epochs());
  if (last && step.number() == 2 && averages()) {
    ended_.Add(networks_->encoder().Weights());
  }
  meter_->EndEpoch(progress);
  if (!options_.state_file.empty()) {
    S2P_RETURN_IF_ERROR(WriteResumeState(options_.state_file, State()));
  }
  std::vector<v1::Evaluation> evaluations;
  const auto every = static_cast<int>(spec_.validation().every_epochs());
  if (data_.validation && step.number() == 2 && every > 0 && epochs_done_ % every == 0) {
    S2P_ASSIGN_OR_RETURN(auto result,
                         Evaluate(networks_->encoder(), *data_.validation, kSketchToPhoto));
    last_validation_ = result.evaluation;
    evaluations.push_back(result.evaluation);
    progress.set_rank1(last_validation_->rank1());
    progress.set_mean_average_precision(last_validation_->mean_average_precision());
  }
  if (options_.on_epoch) options_.on_epoch(progress, evaluations);
  return absl::OkStatus();
}

absl::Status Trainer::EvaluateOn(const EvaluationSet& set, const std::string& split,
                                 std::vector<v1::Evaluation>& evaluations) {
  for (const char* direction : {kSketchToPhoto, kPhotoToSketch}) {
    S2P_ASSIGN_OR_RETURN(auto result, Evaluate(networks_->encoder(), set, direction));
    result.evaluation.set_dataset(data_sets_->target.name());
    result.evaluation.set_split(split);
    evaluations.push_back(result.evaluation);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Evaluation>> Trainer::EvaluateAll() {
  std::vector<v1::Evaluation> evaluations;
  absl::Status status;
  if (data_.validation) status = EvaluateOn(*data_.validation, "train-validation", evaluations);
  if (status.ok() && data_.test) status = EvaluateOn(*data_.test, "test", evaluations);
  if (!status.ok()) return status;
  return evaluations;
}

absl::StatusOr<TrainedModel> Trainer::Model(const std::vector<v1::Evaluation>& evaluations,
                                            const std::string& job_id) {
  return MakeTrainedModel(spec_, *data_sets_, manifest_, evaluations, job_id, networks_->encoder());
}

void Trainer::ForgetState() {
  std::error_code ignored;
  if (!options_.state_file.empty()) std::filesystem::remove(options_.state_file, ignored);
}

}  // namespace

absl::StatusOr<std::unique_ptr<IhdaTrainer>> IhdaTrainer::Create(
    const v1::TrainingSpec& resolved, const IhdaTrainerOptions& options) {
  auto trainer = std::make_unique<Trainer>(resolved, options);
  try {
    S2P_RETURN_IF_ERROR(trainer->Init());
  } catch (const std::exception& error) {
    return TorchError(error, "training");
  }
  return std::unique_ptr<IhdaTrainer>(std::move(trainer));
}

}  // namespace s2p
