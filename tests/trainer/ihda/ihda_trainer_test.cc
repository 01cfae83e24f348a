#include "trainer/ihda/ihda_trainer.h"

#include <gmock/gmock.h>
#include <torch/nn/modules/batchnorm.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint_store.h"
#include "model/encoder.h"
#include "model/torch_tensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/optimization/weight_average.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using IhdaTrainerTest = TinyRunTest;

TEST_F(IhdaTrainerTest, SameSpecGivesTheSameBits) {
  EXPECT_THAT(Differences(Train(Spec()), Train(Spec())), IsEmpty());
}

TEST_F(IhdaTrainerTest, NumberOfWorkersDoesNotMatter) {
  EXPECT_THAT(Differences(Train(Spec()), Train(With(Spec(), {"workers=0"}))), IsEmpty());
}

TEST_F(IhdaTrainerTest, AnotherSeedGivesOtherWeights) {
  EXPECT_FALSE(Differences(Train(Spec()), Train(With(Spec(), {"seed=2"}))).empty());
}

// Stops the run before each epoch but the first, and resumes it in a new trainer each time.
class InterruptedTrainerTest : public TinyRunTest, public testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Runs, InterruptedTrainerTest, testing::Values(1, 3));

TEST_P(InterruptedTrainerTest, EndsWithTheSameBits) {
  const v1::TrainingSpec spec =
      With(Spec(), {absl::StrCat("averaging.runs=", GetParam()),
                    absl::StrCat("averaging.start_share=", GetParam() == 1 ? 0.0 : 0.2)});
  const TensorMap whole = Train(spec);
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  int epochs = 0;
  bool stop = false;
  options.observer.on_epoch = [&](const v1::TrainingProgress&, const std::vector<v1::Evaluation>&) {
    ++epochs;
    stop = true;
  };
  options.observer.stop = [&] { return stop; };
  absl::Status status = absl::CancelledError("");
  std::unique_ptr<IhdaTrainer> trainer;
  for (int run = 0; absl::IsCancelled(status) && run < 10; ++run) {
    stop = false;
    trainer = *Create(spec, options);
    EXPECT_EQ(trainer->resumed(), run > 0);
    status = trainer->Run();
  }
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(epochs, 2 + 2 * GetParam()) << "no epoch is trained twice";
  EXPECT_THAT(Differences(whole, trainer->Model({}, "job")->weights), IsEmpty());
}

// The run is killed after the last epoch, before anything is published.
TEST_P(InterruptedTrainerTest, AfterTheLastEpochNothingIsTrainedAgain) {
  const v1::TrainingSpec spec =
      With(Spec(), {absl::StrCat("averaging.runs=", GetParam()), "averaging.start_share=0.2"});
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  const TensorMap whole = Train(spec, options);
  options.observer.on_epoch = [](const v1::TrainingProgress&, const std::vector<v1::Evaluation>&) {
    ADD_FAILURE() << "an epoch is trained again";
  };
  EXPECT_THAT(Differences(whole, Train(spec, options)), IsEmpty());
}

TEST_F(IhdaTrainerTest, WithoutEpochsTheStartIsKept) {
  EXPECT_THAT(
      Differences(
          Train(With(Spec(), {"step2.epochs=0"})),
          Train(With(Spec(), {"step2.epochs=0", "averaging.runs=2", "averaging.start_share=0.2"}))),
      IsEmpty());
}

// A run without epochs ends with the start of step 2.
TEST_F(IhdaTrainerTest, ShareOfTheStartIsMixedIn) {
  const TensorMap start = Train(With(Spec(), {"step2.epochs=0"}));
  const TensorMap end = Train(Spec());
  WeightAverage expected;
  expected.Add(end);
  const TensorMap mean = expected.Mean(start, 0.25);
  const TensorMap mixed = Train(With(Spec(), {"averaging.start_share=0.25"}));
  const std::vector<std::string> different = Differences(mixed, mean);
  EXPECT_THAT(different, Each(HasSubstr(".running_"))) << "statistics are estimated again";
  EXPECT_THAT(different, Contains("encoder.bn1.running_mean"));
}

// The statistics that the batch norms of a model measure, by the names of their tensors: of each
// batch of pairs in the first epoch of step 2 by itself, and then the mean over the batches.
std::map<std::string, torch::Tensor> MeasuredStatistics(const v1::TrainingSpec& spec,
                                                        const TrainedModel& model) {
  const RunPlan plan = *PlanRun(*ResolveSpec(spec), /*checkpoint_root=*/"");
  const TrainingData data = *LoadTrainingData(plan.data_sets, plan.spec, model.manifest, 1);
  EpochPlan epoch = (*MakeStep2(plan.spec, data))->Plan(0);
  const size_t batches = epoch.batches.size();
  EXPECT_GT(batches, 1u);
  const auto network = *DualEncoder::Create(model.manifest);
  EXPECT_THAT(network->SetWeights(model.weights), IsOk());
  network->train();
  for (const auto& module : network->modules()) {
    // Nothing is left of the batch before.
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) norm->options.momentum() = 1;
  }
  BatchLoader loader(plan.spec.augmentation(), std::move(epoch.batches), /*workers=*/0);
  std::map<std::string, torch::Tensor> means;
  for (size_t b = 0; b < batches; ++b) {
    auto parts = *loader.Next();
    network->ForwardParts({ToTensor(parts[0], torch::kCPU), ToTensor(parts[1], torch::kCPU)},
                          {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH});
    for (const auto& [name, tensor] : network->Weights()) {
      if (!absl::StrContains(name, ".running_")) continue;
      const torch::Tensor share = ToTorch(tensor) / static_cast<double>(batches);
      torch::Tensor& mean = means[name];
      mean = mean.defined() ? mean + share : share;
    }
  }
  return means;
}

// A mean of statistics is not the statistics of the mean.
TEST_F(IhdaTrainerTest, StatisticsOfMeanWeightsAreThoseOfTheirBatches) {
  const v1::TrainingSpec spec =
      With(Spec(), {"averaging.runs=2", "averaging.start_share=0.2", "source_dataset="});
  auto trainer = *Create(spec);
  ASSERT_THAT(trainer->Run(), IsOk());
  const TrainedModel model = *trainer->Model({}, "job");
  const auto measured = MeasuredStatistics(spec, model);
  EXPECT_EQ(measured.count("encoder.bn1.running_mean"), 1u);
  for (const auto& [name, want] : measured) {
    const torch::Tensor got = ToTorch(model.weights.at(name));
    EXPECT_LT((got - want).abs().max().item<double>(), 1e-4 * want.abs().max().item<double>())
        << name;
  }
}

TEST_F(IhdaTrainerTest, FrozenStatisticsOfMeanWeightsAreNotEstimated) {
  IhdaTrainerOptions options;
  std::vector<std::string> messages;
  options.observer.on_message = [&](const std::string& message) { messages.push_back(message); };
  const v1::TrainingSpec spec = With(Spec(), {"averaging.runs=2", "source_dataset="});
  const TensorMap start = (*Create(spec))->Model({}, "job")->weights;
  Train(spec, options);
  EXPECT_THAT(messages, Contains(HasSubstr("estimating the batch-norm statistics")));
  messages.clear();
  const TensorMap frozen = Train(With(spec, {"backbone.frozen_statistics=true"}), options);
  EXPECT_THAT(messages, Not(Contains(HasSubstr("estimating the batch-norm statistics"))));
  EXPECT_THAT(Differences(start, frozen), Each(Not(HasSubstr(".running_"))));
}

TEST_F(IhdaTrainerTest, EveryRunHasRandomChoicesOfItsOwn) {
  const TensorMap one = Train(Spec());
  const TensorMap two = Train(With(Spec(), {"averaging.runs=2"}));
  EXPECT_FALSE(Differences(one, two).empty());
}

TEST_F(IhdaTrainerTest, EpochsOfAllRunsAreCounted) {
  IhdaTrainerOptions options;
  std::vector<uint32_t> epochs;
  options.observer.on_epoch = [&](const v1::TrainingProgress& progress,
                                  const std::vector<v1::Evaluation>&) {
    EXPECT_EQ(progress.epochs(), 6u);
    epochs.push_back(progress.epoch());
  };
  Train(With(Spec(), {"step1.epochs=0", "averaging.runs=3"}), options);
  EXPECT_THAT(epochs, testing::ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(IhdaTrainerTest, StopInTheMiddleOfAnEpochIsCancelledAndKeepsWholeEpochs) {
  const TensorMap whole = Train(Spec());
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  int updates = 0;
  options.observer.on_progress = [&](const v1::TrainingProgress&) { ++updates; };
  options.observer.stop = [&] { return updates == 4; };
  const absl::Status status = (*Create(Spec(), options))->Run();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  options.observer.stop = [] { return false; };
  EXPECT_THAT(Differences(whole, Train(Spec(), options)), IsEmpty());
}

TEST_F(IhdaTrainerTest, EpochThatIsStoppedWhileItIsEvaluatedIsTrainedAgain) {
  const v1::TrainingSpec spec = With(Spec(), {"step1.epochs=0", "validation.every_epochs=1"});
  const TensorMap whole = Train(spec);
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  // After the last batch of an epoch nothing is left of it but its evaluation.
  bool stop = false;
  int epochs = 0;
  options.observer.on_progress = [&](const v1::TrainingProgress& progress) {
    stop = progress.step() == progress.steps();
  };
  options.observer.on_epoch = [&](const auto&, const auto&) { ++epochs; };
  options.observer.stop = [&] { return stop; };
  EXPECT_THAT((*Create(spec, options))->Run(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(epochs, 0);
  options.observer.stop = [] { return false; };
  EXPECT_THAT(Differences(whole, Train(spec, options)), IsEmpty());
  EXPECT_EQ(epochs, 2);
}

TEST_F(IhdaTrainerTest, StopOfTheLastEvaluationKeepsTheModel) {
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  bool stop = false;
  options.observer.stop = [&] { return stop; };
  auto trainer = *Create(Spec(), options);
  ASSERT_THAT(trainer->Run(), IsOk());
  const TensorMap trained = trainer->Model({}, "job")->weights;
  stop = true;
  EXPECT_THAT(trainer->EvaluateAll(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(Differences(trained, trainer->Model({}, "job")->weights), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(options.state_file));
}

class FullDiskTrainerTest : public TinyRunTest {
 protected:
  FullDiskTrainerTest() {
    options_.state_file = dir_.File("resume");
    options_.observer.on_progress = [this](const v1::TrainingProgress&) { ++updates_; };
    options_.observer.stop = [this] { return stop_; };
  }
  // The next state is written to a full device, which removes itself when that has failed.
  void FillDisk() { std::filesystem::create_symlink("/dev/full", options_.state_file + ".tmp"); }

  IhdaTrainerOptions options_;
  int updates_ = 0;
  bool stop_ = false;
};

TEST_F(FullDiskTrainerTest, StateIsWrittenAgainAndNoEpochIsTrainedTwice) {
  const TensorMap whole = Train(Spec(), options_);
  const int updates = std::exchange(updates_, 0);
  std::filesystem::remove(options_.state_file);
  int waits = 0;
  options_.wait_for_room = [&](const absl::Status& why) {
    EXPECT_THAT(why, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("resume.tmp")));
    if (++waits == 1) FillDisk();
    return true;
  };
  FillDisk();
  EXPECT_THAT(Differences(whole, Train(Spec(), options_)), IsEmpty());
  EXPECT_EQ(waits, 2);
  EXPECT_EQ(updates_, updates);
}

TEST_F(FullDiskTrainerTest, RunThatMayNotWaitEndsWithTheReason) {
  FillDisk();
  EXPECT_THAT((*Create(Spec(), options_))->Run(), StatusIs(absl::StatusCode::kResourceExhausted));
}

// The file system of processes never has room.
TEST_F(FullDiskTrainerTest, DiskWithoutRoomIsNoticedBeforeTheFirstEpoch) {
  options_.state_file = "/proc/resume";
  EXPECT_THAT((*Create(Spec(), options_))->Run(),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("0 bytes are free")));
  EXPECT_EQ(updates_, 0);
}

TEST_F(FullDiskTrainerTest, StopWhileItWaitsIsCancelled) {
  FillDisk();
  options_.wait_for_room = [this](const absl::Status&) {
    stop_ = true;
    return false;
  };
  EXPECT_THAT((*Create(Spec(), options_))->Run(),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("while the disk was full")));
}

TEST_F(IhdaTrainerTest, StateOfAnotherRunIsRefused) {
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  Train(Spec(), options);
  const auto other = Create(With(Spec(), {"seed=2"}), options);
  EXPECT_THAT(other,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(options.state_file)));
}

TEST_F(IhdaTrainerTest, StateOfAnotherRunIsSetAsideWhereTheRunMayStartOver) {
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  Train(Spec(), options);
  options.restarts_when_changed = true;
  std::vector<std::string> messages;
  options.observer.on_message = [&](const std::string& message) { messages.push_back(message); };
  const v1::TrainingSpec changed = With(Spec(), {"seed=2"});
  EXPECT_THAT(Differences(Train(changed), Train(changed, options)), IsEmpty());
  EXPECT_THAT(messages, testing::Contains(HasSubstr(options.state_file + ".old")));
  EXPECT_TRUE(std::filesystem::exists(options.state_file + ".old"));
}

TEST_F(IhdaTrainerTest, DamagedStateIsDataLoss) {
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  Train(Spec(), options);
  std::filesystem::resize_file(options.state_file,
                               std::filesystem::file_size(options.state_file) - 1);
  EXPECT_THAT(Create(Spec(), options), StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(IhdaTrainerTest, ForgottenStateIsGone) {
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  auto trainer = *Create(Spec(), options);
  ASSERT_THAT(trainer->Run(), IsOk());
  EXPECT_TRUE(std::filesystem::exists(options.state_file));
  trainer->ForgetState();
  EXPECT_FALSE(std::filesystem::exists(options.state_file));
}

TEST_F(IhdaTrainerTest, WithoutASourceOnlyStep2IsTrained) {
  IhdaTrainerOptions options;
  std::set<uint32_t> steps;
  std::set<std::string> terms;
  options.observer.on_progress = [&](const v1::TrainingProgress& progress) {
    steps.insert(progress.ihda_step());
    for (const v1::LossTerm& term : progress.losses()) terms.insert(term.name());
  };
  Train(With(Spec(), {"source_dataset="}), options);
  EXPECT_THAT(steps, testing::ElementsAre(2u));
  EXPECT_THAT(terms, testing::ElementsAre("contrastive", "identity", "total", "triplet"));
}

TEST_F(IhdaTrainerTest, EveryTermIsNamedAndEachCanBeOff) {
  std::set<std::string> terms;
  IhdaTrainerOptions options;
  options.observer.on_progress = [&](const v1::TrainingProgress& progress) {
    for (const v1::LossTerm& term : progress.losses()) terms.insert(term.name());
  };
  const v1::TrainingSpec spec = With(Spec(), {"loss.photo_neighbours.weight=1"});
  Train(spec, options);
  const std::set<std::string> all = {
      "attribute", "attribute_entropy", "consistency", "contrastive", "domain",
      "identity",  "photo_neighbours",  "triplet",     "total"};
  EXPECT_EQ(terms, all);
  for (const std::string& term : all) {
    if (term == "total") continue;
    terms.clear();
    const std::string weight = term == "photo_neighbours" ? ".weight" : "";
    Train(
        With(spec, {absl::StrCat("loss.", term, weight, "=0"), "step1.epochs=1", "step2.epochs=1"}),
        options);
    EXPECT_EQ(terms.count(term), 0u) << term;
    EXPECT_EQ(terms.size(), all.size() - 1) << term;
  }
}

TEST_F(IhdaTrainerTest, ReleaseRecipeTrainsToo) {
  const TensorMap weights = Train(With(
      Spec(), {"recipe=release", "embedding.neck=batch_norm", "embedding.retrieval_feature=neck",
               "loss.label_smoothing=0.1", "backbone.shared=false", "step1.warmup_epochs=1"}));
  EXPECT_EQ(weights.count("photo_encoder.conv1.weight"), 1u);
  EXPECT_EQ(weights.count("neck.weight"), 1u);
}

TEST_F(IhdaTrainerTest, FrozenStagesStayAsTheyAre) {
  const v1::TrainingSpec spec =
      With(Spec(), {"backbone.frozen_stages=2", "backbone.frozen_statistics=true"});
  auto trainer = *Create(spec);
  const TensorMap before = trainer->Model({}, "job")->weights;
  ASSERT_THAT(trainer->Run(), IsOk());
  const auto changed = Differences(before, trainer->Model({}, "job")->weights);
  EXPECT_FALSE(changed.empty());
  for (const std::string& name : changed) {
    if (!absl::StartsWith(name, "encoder.")) continue;
    EXPECT_FALSE(absl::StrContains(name, "encoder.conv1") ||
                 absl::StrContains(name, "encoder.layer1") ||
                 absl::StrContains(name, "running_mean"))
        << name;
  }
}

TEST_F(IhdaTrainerTest, LossThatIsNotFiniteStopsWithTermStepAndEpoch) {
  // A backbone whose first layer is infinite.
  auto model = *(*Create(Spec()))->Model({}, "job");
  TensorMap weights;
  for (auto& [name, tensor] : model.weights) {
    if (!absl::StartsWith(name, "encoder.")) continue;
    if (name == "encoder.conv1.weight") {
      const float infinity = INFINITY;
      for (size_t i = 0; i < tensor.bytes.size(); i += sizeof(float)) {
        tensor.bytes.replace(i, sizeof(float), reinterpret_cast<const char*>(&infinity),
                             sizeof(float));
      }
    }
    weights[name.substr(std::string("encoder.").size())] = tensor;
  }
  ASSERT_THAT(WriteSafetensors(dir_.File("w.safetensors"), weights), IsOk());
  auto trainer = Create(With(Spec(), {"initial_weights=" + dir_.File("w.safetensors"),
                                      "embedding.dimension=0", "source_dataset="}));
  ASSERT_THAT(trainer, IsOk());
  const absl::Status status = (*trainer)->Run();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("step 2, epoch 1, update 1"), HasSubstr("\"identity\""))));
}

TEST_F(IhdaTrainerTest, WrongSpecIsRefusedBeforeAnythingIsRead) {
  const auto trainer = Create(With(Spec(), {"backbone.arch=vgg16", "step2.learning_rate=-1"}));
  EXPECT_THAT(trainer,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("backbone.arch"), HasSubstr("step2.learning_rate"))));
}

TEST_F(IhdaTrainerTest, WeightFileOfAnotherNetworkIsNamedBeforeImagesAreRead) {
  ASSERT_THAT(WriteSafetensors(dir_.File("w"), {{"x", {TensorType::kF32, {1}, "abcd"}}}), IsOk());
  bool has_read = false;
  IhdaTrainerOptions options;
  options.observer.on_loading = [&](const auto&, auto, auto) { has_read = true; };
  const auto trainer = Create(With(Spec(), {"initial_weights=" + dir_.File("w")}), options);
  EXPECT_THAT(trainer, StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr(dir_.File("w")), HasSubstr("'x'"))));
  EXPECT_FALSE(has_read);
  ASSERT_THAT(Create(Spec(), options), IsOk());
  EXPECT_TRUE(has_read);
}

TEST_F(IhdaTrainerTest, TrainingGoesOnFromAPublishedVersion) {
  const CheckpointStore store(dir_.File("store"));
  auto first = *Create(Spec());
  ASSERT_THAT(first->Run(), IsOk());
  const auto model = *first->Model({}, "job");
  ASSERT_THAT(store.Publish(model.manifest, model.weights), IsOk());
  IhdaTrainerOptions options;
  options.checkpoint_root = store.root();
  auto second = *Create(With(Spec(), {"initial_version=1"}), options);
  const auto start = *second->Model({}, "job");
  EXPECT_THAT(Differences(model.weights, start.weights), IsEmpty());
  EXPECT_EQ(start.manifest.provenance().parent_version(), 1);
}

class ContinuedTrainerTest : public TinyRunTest {
 protected:
  // Trains two encoders and publishes them as version 1.
  TrainedModel TrainFirst() {
    auto trainer = *Create(WithTwoEncoders({}));
    EXPECT_THAT(trainer->Run(), IsOk());
    TrainedModel model = *trainer->Model({}, "job");
    EXPECT_THAT(CheckpointStore(root_).Publish(model.manifest, model.weights), IsOk());
    return model;
  }
  // The weights after a run that starts from version 1.
  TensorMap Continue(const std::vector<std::string>& fields) {
    IhdaTrainerOptions options;
    options.checkpoint_root = root_;
    return Train(With(WithTwoEncoders({"initial_version=1"}), fields), options);
  }
  v1::TrainingSpec WithTwoEncoders(const std::vector<std::string>& fields) {
    return With(With(Spec(), {"backbone.shared=false"}), fields);
  }

  const std::string root_ = dir_.File("store");
};

TEST_F(ContinuedTrainerTest, BothEncodersOfTheVersionAreKept) {
  const TrainedModel first = TrainFirst();
  EXPECT_THAT(Differences(first.weights, Continue({"step2.epochs=0"})), IsEmpty());
}

TEST_F(ContinuedTrainerTest, Step1IsNotTrainedAgain) {
  TrainFirst();
  EXPECT_THAT(Differences(Continue({"step1.epochs=0"}), Continue({})), IsEmpty());
}

TEST_F(ContinuedTrainerTest, Step1IsTrainedAgainWhereTheSpecAsksForIt) {
  TrainFirst();
  // Step 2 learns nothing, so E2 is still the E1 that it starts from.
  const TensorMap weights =
      Continue({"repeat_step1=true", "step2.epochs=1", "step2.learning_rate=1e-30"});
  const auto photo = weights.find("photo_encoder.conv1.weight");
  const auto sketch = weights.find("sketch_encoder.conv1.weight");
  ASSERT_NE(photo, weights.end());
  ASSERT_NE(sketch, weights.end());
  EXPECT_EQ(photo->second.bytes, sketch->second.bytes);
}

// Programs before this one trained the attribute head of either recipe with batch norm.
TEST_F(ContinuedTrainerTest, VersionWithTheFormerHeadKeepsIt) {
  auto manifest = (*Create(WithTwoEncoders({})))->Model({}, "job")->manifest;
  torch::manual_seed(4);
  const auto former = *DualEncoder::Create(manifest, HeadForm::kBatchNorm);
  ASSERT_THAT(FillGoldenProbe(*former, manifest), IsOk());
  ASSERT_THAT(CheckpointStore(root_).Publish(manifest, former->Weights()), IsOk());
  EXPECT_THAT(Differences(former->Weights(), Continue({"step2.epochs=0"})), IsEmpty());
  const TensorMap trained = Continue({"step2.epochs=1"});
  EXPECT_EQ(trained.count("attribute_head.5.running_mean"), 1u);
  EXPECT_NE(trained.at("attribute_head.8.weight").bytes,
            former->Weights().at("attribute_head.8.weight").bytes);
}

// The served model is the trained one: compares the serving encoder, from files, with the trained
// networks in memory.
TEST_F(IhdaTrainerTest, ServedEmbeddingEqualsTheTrainers) {
  auto trainer = *Create(Spec());
  ASSERT_THAT(trainer->Run(), IsOk());
  const auto evaluations = trainer->EvaluateAll();
  ASSERT_THAT(evaluations, IsOk());
  const auto model = *trainer->Model(*evaluations, "job");
  const CheckpointStore store(dir_.File("store"));
  ASSERT_THAT(store.Publish(model.manifest, model.weights), IsOk());
  const Checkpoint checkpoint = *store.Read(1);
  EncoderOptions encoder_options;
  encoder_options.device = "cpu";
  const auto served = LoadEncoder(checkpoint, encoder_options);
  ASSERT_THAT(served, IsOk());

  const auto networks = *DualEncoder::Create(model.manifest);
  ASSERT_THAT(networks->SetWeights(model.weights), IsOk());
  const DataSet target = *DataSet::Open(Target());
  const auto images = *ImagesOfSplit(target, "test");
  const auto set = *LoadEvaluationSet(target, images, model.manifest, 1);
  const auto photos = *Embed(*networks, *set.photos, v1::MODALITY_PHOTO);
  const auto sketches = *Embed(*networks, *set.sketches, v1::MODALITY_SKETCH);
  int photo = 0, sketch = 0;
  for (const DataSetImage& listed : images) {
    const Image image = *target.Read(listed);
    const EncoderInput input{&image, listed.modality};
    const auto encoding = *(*served)->Encode({&input, 1});
    const auto expected =
        listed.modality == v1::MODALITY_SKETCH ? sketches.row(sketch++) : photos.row(photo++);
    for (int k = 0; k < photos.dimension(); ++k) {
      EXPECT_NEAR(encoding.embeddings.row(0)[k], expected[k], 1e-4);
    }
  }
  EXPECT_EQ(photo, 4);
  EXPECT_EQ(sketch, 4);
}

TEST_F(IhdaTrainerTest, EpochIsEvaluatedBothWays) {
  std::vector<v1::Evaluation> last;
  v1::TrainingProgress progress;
  IhdaTrainerOptions options;
  options.observer.on_epoch = [&](const auto& reported, const auto& evaluations) {
    progress = reported;
    last = evaluations;
  };
  auto trainer = *Create(With(Spec(), {"validation.every_epochs=1"}), options);
  ASSERT_THAT(trainer->Run(), IsOk());
  const auto kept = trainer->EvaluateAll();
  ASSERT_THAT(kept, IsOk());
  ASSERT_EQ(last.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(last[i].direction(), i == 0 ? kSketchToPhoto : kPhotoToSketch);
    EXPECT_EQ(last[i].direction(), (*kept)[i].direction());
    EXPECT_GT(last[i].queries(), 0u);
    EXPECT_EQ(last[i].rank1(), (*kept)[i].rank1());
    EXPECT_EQ(last[i].mean_average_precision(), (*kept)[i].mean_average_precision());
  }
  EXPECT_EQ(progress.mean_average_precision(), last[0].mean_average_precision());
  EXPECT_EQ(progress.photo_to_sketch_rank1(), last[1].rank1());
  EXPECT_EQ(progress.photo_to_sketch_mean_average_precision(), last[1].mean_average_precision());
}

TEST_F(IhdaTrainerTest, ManifestSaysWhereTheModelComesFrom) {
  auto trainer = *Create(Spec());
  const auto evaluations = *trainer->EvaluateAll();
  const auto manifest = trainer->Model(evaluations, "job-7")->manifest;
  EXPECT_EQ(manifest.provenance().job_id(), "job-7");
  EXPECT_EQ(manifest.provenance().seed(), 1u);
  EXPECT_EQ(manifest.provenance().target_dataset_sha256(), DataSet::Open(Target())->sha256());
  EXPECT_EQ(manifest.attributes_size(), static_cast<int>(SyntheticShoeAttributes().size()));
  ASSERT_EQ(manifest.evaluations_size(), 4) << "two sets, two directions";
  EXPECT_EQ(manifest.evaluations(2).split(), "test");
  EXPECT_EQ(manifest.evaluations(2).queries(), 4u);
}

}  // namespace
}  // namespace s2p::test
