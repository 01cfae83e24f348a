#include "trainer/ihda/train_loop.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "trainer/data/random.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/build_text.h"
#include "trainer/ihda/device_memory.h"
#include "trainer/ihda/training_format.h"
#include "trainer/optimization/batch_statistics.h"
#include "trainer/optimization/loss_sum.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// The first repeat has the seed of the spec.
v1::TrainingSpec SpecOfRepeat(const v1::TrainingSpec& spec, int repeat) {
  v1::TrainingSpec of_repeat = spec;
  if (repeat > 0) of_repeat.set_seed(SeedOf(SeedOf(spec.seed(), RunStream::kRepeats), repeat));
  return of_repeat;
}

constexpr char kSmallerImages[] = "lower the height and width of the images";

// Leaves the gradients of the sum, as one of the `batches` of an update, and adds its terms to
// `values`.
absl::Status Backward(const LossSum& sum, int batches,
                      std::vector<std::pair<std::string, double>>& values) {
  S2P_RETURN_IF_ERROR(sum.Read(values));
  torch::Tensor total = sum.Total();
  if (batches > 1) total = total / batches;
  total.backward();
  return absl::OkStatus();
}

uint64_t SizeOf(const ResumeState& state) {
  return state.networks.size() + state.start.size() + state.sum.size() + state.last_sum.size() +
         state.best.size();
}

}  // namespace

uint64_t TorchSeed(const v1::TrainingSpec& spec) { return SeedOf(spec.seed(), RunStream::kTorch); }

TrainLoop::TrainLoop(const v1::TrainingSpec& spec, const RunPlan& plan,
                     const std::string& state_file, const TrainingObserver& observer,
                     const WaitForRoom& wait_for_room, const TrainingData& data,
                     IhdaNetworks& networks)
    : spec_(spec),
      recipe_(RecipeOf(spec.recipe())),
      plan_(plan),
      state_file_(state_file),
      observer_(observer),
      wait_for_room_(wait_for_room),
      data_(data),
      networks_(networks) {
  if (data_.source.images == nullptr || !RunsStep1(spec_)) place_.ihda_step = 2;
}

absl::Status TrainLoop::Restore(ResumeState state) {
  place_.ihda_step = state.ihda_step;
  place_.update = state.updates;
  epochs_done_ = state.epochs_done;
  state_bytes_ = SizeOf(state);
  networks_.BeginStep(state.ihda_step,
                      state.ihda_step == 1 ? data_.source_identities : data_.target_identities);
  start_ = std::move(state.start);
  if (state.ihda_step == 2 && ranks_photos()) {
    S2P_RETURN_IF_ERROR(networks_.Load(start_));
    S2P_RETURN_IF_ERROR(LookAtPhotos());
  }
  S2P_RETURN_IF_ERROR(networks_.Load(state.networks));
  if (state.best_epoch > 0) {
    best_.number = state.best_epoch;
    best_.mean_average_precision = state.best_mean_average_precision;
    S2P_ASSIGN_OR_RETURN(best_.weights, ParseSafetensors(state.best));
  }
  if (state.repeats_ended == 0) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(auto sum, ParseSafetensors(state.sum));
  ended_ = WeightAverage::FromSum(std::move(sum), state.repeats_ended);
  if (state.last_sum.empty()) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(auto last_sum, ParseSafetensors(state.last_sum));
  last_ended_ = WeightAverage::FromSum(std::move(last_sum), state.repeats_ended);
  return absl::OkStatus();
}

int TrainLoop::Repeats(int ihda_step) const {
  return ihda_step == 1 ? 1 : std::max(1, static_cast<int>(spec_.averaging().runs()));
}

absl::Status TrainLoop::LookAtPhotos() {
  if (!ranks_photos()) return absl::OkStatus();
  networks_.TakeWeightsOfFirst();
  observer_.on_message(absl::StrCat("looking at ", data_.photos.images->size(),
                                    " photos with the network that step 2 starts from"));
  auto embeddings =
      Embed(networks_.encoder(), *data_.photos.images, v1::MODALITY_PHOTO, observer_.stop);
  if (!embeddings.ok()) return WithoutDeviceMemory(embeddings.status(), kSmallerImages);
  triplets_.emplace(*std::move(embeddings), static_cast<int>(PhotoNeighboursOf(spec_).triplets()));
  return absl::OkStatus();
}

void TrainLoop::ReportUnrankedBatches(const IhdaStep& step) const {
  if (!triplets_) return;
  const EpochPlan plan = step.Plan(/*epoch=*/0);
  const auto unranked = std::count_if(
      plan.indices.begin(), plan.indices.end(),
      [](const auto& parts) { return static_cast<int>(parts[0].size()) < kFewestPhotosToRank; });
  if (unranked == 0) return;
  observer_.on_message(
      absl::StrCat("loss.photo_neighbours is off in ", unranked, " of ", plan.indices.size(),
                   " batches of an epoch, which have fewer than ", kFewestPhotosToRank,
                   " pairs: raise step2.batch_size, or train on more pairs"));
}

absl::Status TrainLoop::Run() {
  meter_.emplace();
  if (place_.ihda_step == 1) {
    S2P_ASSIGN_OR_RETURN(const auto step, MakeStep1(spec_, data_));
    S2P_RETURN_IF_ERROR(RunRepeat(*step, /*repeat=*/0));
    place_.ihda_step = 2;
    epochs_done_ = 0;
  }
  const auto epochs = static_cast<int>(spec_.step2().epochs());
  if (!triplets_ && epochs > 0) S2P_RETURN_IF_ERROR(LookAtPhotos());
  const int first = epochs == 0 ? 0 : epochs_done_ / epochs;
  for (int repeat = first; repeat < Repeats(2); ++repeat) {
    S2P_ASSIGN_OR_RETURN(const auto step, MakeStep2(SpecOfRepeat(spec_, repeat), data_,
                                                    triplets_ ? &*triplets_ : nullptr));
    if (repeat == first) ReportUnrankedBatches(*step);
    S2P_RETURN_IF_ERROR(RunRepeat(*step, repeat));
  }
  return TakeResult();
}

absl::Status TrainLoop::RunRepeat(const IhdaStep& step, int repeat) {
  place_.repeat = repeat;
  place_.repeats = Repeats(step.number());
  place_.epochs = static_cast<int>(step_spec().epochs());
  const uint64_t seed = SeedOf(TorchSeed(SpecOfRepeat(spec_, repeat)), step.number());
  const int before = repeat * place_.epochs;
  if (epochs_done_ == before) {
    torch::manual_seed(seed);
    S2P_RETURN_IF_ERROR(BeginRepeat(step));
  }
  for (place_.epoch = epochs_done_ - before; place_.epoch < place_.epochs; ++place_.epoch) {
    // Dropout draws from torch's own random numbers, so each epoch begins at a known seed.
    torch::manual_seed(SeedOf(seed, place_.epoch + 1));
    S2P_RETURN_IF_ERROR(RunEpoch(step));
  }
  return absl::OkStatus();
}

// Every repeat of step 2 starts where the first one did.
absl::Status TrainLoop::BeginRepeat(const IhdaStep& step) {
  place_.update = 0;
  networks_.BeginStep(step.number(), step.identities());
  if (step.number() == 1) return absl::OkStatus();
  if (place_.repeat > 0) return networks_.Load(start_);
  // Section III-C of the paper. A version's sketch encoder has been trained already.
  const bool has_sketch_encoder = spec_.has_initial_version() && !RunsStep1(spec_);
  if (!has_sketch_encoder) networks_.encoder().CopyPhotoEncoderToSketchEncoder();
  if (!averages() && !ranks_photos()) return absl::OkStatus();
  start_ = networks_.Save();
  return absl::OkStatus();
}

absl::Status TrainLoop::TakeResult() {
  if (ended_.count() > 0) {
    if (last_ended_.count() > 0) {
      S2P_RETURN_IF_ERROR(TakeMean(last_ended_));
      last_epoch_weights_ = networks_.encoder().Weights();
    }
    return TakeMean(ended_);
  }
  if (best_.number == 0) return absl::OkStatus();
  last_epoch_weights_ = networks_.encoder().Weights();
  return networks_.encoder().SetWeights(best_.weights);
}

absl::Status TrainLoop::TakeMean(const WeightAverage& repeats) {
  S2P_RETURN_IF_ERROR(networks_.Load(start_));
  S2P_RETURN_IF_ERROR(networks_.encoder().SetWeights(
      repeats.Mean(networks_.encoder().Weights(), spec_.averaging().start_share())));
  S2P_ASSIGN_OR_RETURN(const auto step, MakeStep2(spec_, data_));
  return EstimateStatistics(*step);
}

absl::Status TrainLoop::EstimateStatistics(const IhdaStep& step) {
  networks_.TakeWeightsOfFirst();
  networks_.SetTraining();
  const BatchStatistics statistics(networks_.encoder());
  if (statistics.empty()) return absl::OkStatus();
  observer_.on_message("estimating the batch-norm statistics of the mean weights");
  torch::NoGradGuard no_grad;
  torch::manual_seed(TorchSeed(spec_));
  place_.epoch = 0;
  EpochPlan plan = step.Plan(place_.epoch);
  S2P_RETURN_IF_ERROR(TakeOwnRows(plan));
  BatchLoader loader = LoaderOf(plan);
  for (place_.batch = 0; place_.batch < place_.batches; ++place_.batch) {
    if (StopRequested()) {
      return absl::CancelledError("stopped after the last epoch; whole epochs are kept");
    }
    S2P_ASSIGN_OR_RETURN(auto parts, loader.Next());
    step.Losses(ImagesOf(parts), plan.indices[place_.batch], place_, networks_);
  }
  return absl::OkStatus();
}

absl::Status TrainLoop::TakeOwnRows(EpochPlan& plan) const {
  const Ranks* ranks = networks_.ranks();
  if (ranks == nullptr) return absl::OkStatus();
  for (BatchLoader::Parts& parts : plan.batches) {
    for (std::vector<LoadItem>& items : parts) {
      const auto count = static_cast<int64_t>(items.size());
      if (count < ranks->count()) {
        return absl::FailedPreconditionError(absl::StrCat(
            "step ", place_.ihda_step, ": a batch has ", count,
            " rows of one kind, fewer than the ", ranks->count(), " processes: raise step",
            place_.ihda_step, ".batch_size, train on more pairs, or start fewer processes"));
      }
      const RowRange own = ranks->RowsOf(count);
      items = std::vector<LoadItem>(items.begin() + own.begin, items.begin() + own.end);
    }
  }
  return absl::OkStatus();
}

BatchLoader TrainLoop::LoaderOf(EpochPlan& plan) {
  place_.batches = static_cast<int>(plan.batches.size());
  return BatchLoader(spec_.augmentation(), std::move(plan.batches),
                     static_cast<int>(spec_.workers()), /*augment=*/true,
                     recipe_.augmentation_style);
}

std::vector<torch::Tensor> TrainLoop::ImagesOf(std::vector<LoadedBatch>& parts) const {
  std::vector<torch::Tensor> images;
  for (LoadedBatch& part : parts) {
    images.push_back(ToTensor(part, networks_.device(), IsChannelsLast(spec_)));
  }
  return images;
}

absl::Status TrainLoop::RunEpoch(const IhdaStep& step) {
  S2P_RETURN_IF_ERROR(WaitUntilStateFits());
  EpochPlan plan = step.Plan(place_.epoch);
  S2P_RETURN_IF_ERROR(TakeOwnRows(plan));
  networks_.TakeWeightsOfFirst();
  BatchLoader loader = LoaderOf(plan);
  networks_.SetTraining();
  const auto accumulate = static_cast<int>(step_spec().accumulate());
  v1::TrainingProgress progress;
  for (place_.batch = 0; place_.batch < place_.batches; ++place_.batch) {
    if (StopRequested()) {
      return absl::CancelledError(absl::StrCat("stopped in step ", place_.ihda_step, ", epoch ",
                                               place_.EpochNumber(), "; whole epochs are kept"));
    }
    S2P_ASSIGN_OR_RETURN(auto parts, loader.Next());
    S2P_RETURN_IF_ERROR(Accumulate(step, plan.indices[place_.batch], parts));
    const double rate = recipe_.learning_rate(spec_, place_);
    const int done = place_.batch + 1;
    if (done % accumulate == 0 || done == place_.batches) networks_.Update(rate);
    progress = Progress();
    progress.set_learning_rate(rate);
    observer_.on_progress(progress);
  }
  return EndEpoch(progress);
}

// Adds the gradients of one batch to those of its update.
absl::Status TrainLoop::Accumulate(const IhdaStep& step,
                                   const std::vector<std::vector<int>>& indices,
                                   std::vector<LoadedBatch>& parts) {
  int64_t count = 0;
  for (const std::vector<int>& part : indices) count += static_cast<int64_t>(part.size());
  const std::vector<torch::Tensor> images = ImagesOf(parts);
  const auto accumulate = static_cast<int>(step_spec().accumulate());
  const int in_update = place_.batch % accumulate;
  if (in_update == 0) ++place_.update;
  const LossSum sum = step.Losses(images, indices, place_, networks_);
  if (sum.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("loss: every term of step ", place_.ihda_step, " is off"));
  }
  const int of_update = std::min(accumulate, place_.batches - (place_.batch - in_update));
  std::vector<std::pair<std::string, double>> values;
  absl::Status status = networks_.AddGradients([&] { return Backward(sum, of_update, values); });
  if (status.ok() && step.has_meta_losses()) {
    status = networks_.AddMetaGradients(recipe_.learning_rate(spec_, place_), [&] {
      return networks_.AddGradients([&] {
        const LossSum meta = step.MetaLosses(images, indices, place_, networks_);
        return meta.empty() ? absl::OkStatus() : Backward(meta, /*batches=*/1, values);
      });
    });
  }
  if (!status.ok()) return NotFinite(status);
  meter_->Count(count, values);
  return absl::OkStatus();
}

absl::Status TrainLoop::NotFinite(const absl::Status& cause) const {
  const int update = place_.batch / static_cast<int>(step_spec().accumulate()) + 1;
  std::string text = absl::StrCat("step ", place_.ihda_step, ", epoch ", place_.EpochNumber(),
                                  ", update ", update, ": ", cause.message());
  if (!state_file_.empty()) {
    const std::string path = state_file_ + ".failed";
    const absl::Status saved = WriteResumeState(path, State());
    absl::StrAppend(&text, saved.ok() ? "; the networks before it are in " : "; not saved: ",
                    saved.ok() ? path : std::string(saved.message()));
  }
  return absl::Status(cause.code(), text);
}

ResumeState TrainLoop::State() const {
  ResumeState state{plan_.digest, place_.ihda_step, epochs_done_, place_.update, networks_.Save()};
  state.run = plan_.identity();
  state.training_format = TrainingFormatOf(plan_.spec);
  state.build = BuildText();
  state.start = start_;
  state.human_share = spec_.pseudo().human_share();
  state.repeats_ended = ended_.count();
  if (state.repeats_ended > 0) state.sum = SerializeSafetensors(ended_.sum());
  if (last_ended_.count() > 0) state.last_sum = SerializeSafetensors(last_ended_.sum());
  if (best_.number == 0) return state;
  state.best_epoch = best_.number;
  state.best_mean_average_precision = best_.mean_average_precision;
  state.best = SerializeSafetensors(best_.weights);
  return state;
}

absl::Status TrainLoop::WaitUntilStateFits() const {
  if (state_file_.empty()) return absl::OkStatus();
  // The first one is yet to be made, so its size follows from what it will hold.
  const uint64_t bytes = state_bytes_ > 0 ? state_bytes_ : networks_.SavedBytes() + start_.size();
  return WriteWithRoom([&] { return CheckRoomForState(state_file_, bytes); });
}

absl::Status TrainLoop::KeepState() {
  if (state_file_.empty()) return absl::OkStatus();
  const ResumeState state = State();
  state_bytes_ = SizeOf(state);
  return WriteWithRoom([&] { return WriteResumeState(state_file_, state); });
}

absl::Status TrainLoop::WriteWithRoom(const std::function<absl::Status()>& write) const {
  absl::Status status = write();
  while (absl::IsResourceExhausted(status)) {
    if (!wait_for_room_(status)) {
      if (!observer_.stop()) return status;
      return absl::CancelledError(absl::StrCat(
          "stopped while the disk was full; whole epochs before it are kept: ", status.message()));
    }
    status = write();
  }
  return status;
}

v1::TrainingProgress TrainLoop::Progress() {
  v1::TrainingProgress progress = meter_->At(place_);
  AddLastValidation(progress);
  return progress;
}

void TrainLoop::AddLastValidation(v1::TrainingProgress& progress) const {
  if (last_validation_.empty()) return;
  const v1::Evaluation& by_sketch = last_validation_[0];
  const v1::Evaluation& by_photo = last_validation_[1];
  progress.set_rank1(by_sketch.rank1());
  progress.set_mean_average_precision(by_sketch.mean_average_precision());
  progress.set_photo_to_sketch_rank1(by_photo.rank1());
  progress.set_photo_to_sketch_mean_average_precision(by_photo.mean_average_precision());
}

absl::Status TrainLoop::EndEpoch(v1::TrainingProgress& progress) {
  epochs_done_ = place_.EpochNumber();
  meter_->EndEpoch(progress);
  std::vector<v1::Evaluation> evaluations;
  // Before the state is written, which holds the best epoch.
  if (IsEvaluated()) {
    S2P_RETURN_IF_ERROR(EvaluateEpoch(progress, evaluations));
  }
  if (EndsRepeat()) EndRepeat();
  S2P_RETURN_IF_ERROR(KeepState());
  observer_.on_epoch(progress, evaluations);
  return absl::OkStatus();
}

bool TrainLoop::StopRequested() const {
  Ranks* ranks = networks_.ranks();
  return ranks == nullptr ? observer_.stop() : ranks->Any(observer_.stop());
}

bool TrainLoop::IsEvaluated() const {
  if (!data_.validation || place_.ihda_step != 2) return false;
  const auto every = static_cast<int>(spec_.validation().every_epochs());
  return (every > 0 && epochs_done_ % every == 0) || (keeps_best() && EndsRepeat());
}

absl::StatusOr<std::vector<v1::Evaluation>> TrainLoop::Validate() {
  Ranks* ranks = networks_.ranks();
  // A message with a list of evaluations, to be sent.
  v1::CheckpointManifest measured;
  if (ranks == nullptr || ranks->first()) {
    const auto results = EvaluateBothWays(networks_.encoder(), *data_.validation, observer_.stop);
    if (!results.ok()) return WithoutDeviceMemory(results.status(), kSmallerImages);
    for (const EvaluationResult& result : *results) {
      *measured.add_evaluations() = result.evaluation;
    }
  }
  if (ranks != nullptr) {
    const std::string bytes = ranks->BroadcastBytes(measured.SerializeAsString());
    if (!measured.ParseFromString(bytes)) {
      return absl::InternalError("the evaluation that rank 0 has sent cannot be read");
    }
  }
  return std::vector<v1::Evaluation>(measured.evaluations().begin(), measured.evaluations().end());
}

absl::Status TrainLoop::EvaluateEpoch(v1::TrainingProgress& progress,
                                      std::vector<v1::Evaluation>& evaluations) {
  S2P_ASSIGN_OR_RETURN(last_validation_, Validate());
  evaluations = last_validation_;
  AddLastValidation(progress);
  const v1::Evaluation& by_sketch = last_validation_[0];
  const double precision = by_sketch.mean_average_precision();
  if (keeps_best() && by_sketch.queries() > 0 && precision > best_.mean_average_precision) {
    best_ = {epochs_done_, precision, networks_.encoder().Weights()};
  }
  return absl::OkStatus();
}

// Adds the weights that are kept of the repeat to the average.
void TrainLoop::EndRepeat() {
  if (best_.number > 0) {
    observer_.on_message(absl::StrFormat(
        "kept epoch %d: mAP %.1f %% on the held-back identities; the last one, epoch %d, has "
        "%.1f %%",
        best_.number, 100 * best_.mean_average_precision, epochs_done_,
        100 * last_validation_[0].mean_average_precision()));
  }
  if (!averages()) return;
  TensorMap last = networks_.encoder().Weights();
  ended_.Add(best_.number > 0 ? best_.weights : last);
  if (keeps_best()) last_ended_.Add(last);
  best_ = {};
}

}  // namespace s2p
