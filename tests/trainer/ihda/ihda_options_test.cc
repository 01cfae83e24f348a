// Options of a run besides the method: accumulation, memory format, folds, packed data.
#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/torch_tensors.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/data_set.h"
#include "trainer/data/packed_images.h"
#include "trainer/ihda/data_report.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/ihda/resume_state.h"
#include "trainer/ihda/training_data.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using IhdaOptionsTest = TinyRunTest;

// The largest difference of any value.
double Distance(const TensorMap& a, const TensorMap& b) {
  double largest = 0;
  for (const auto& [name, tensor] : a) {
    if (tensor.type != TensorType::kF32) continue;
    const auto difference = (ToTorch(tensor) - ToTorch(b.at(name))).abs().max().item<double>();
    largest = std::max(largest, difference);
  }
  return largest;
}

// Adam's first update moves each weight by the rate at most.
TEST_F(IhdaOptionsTest, AccumulatedBatchesMakeOneUpdate) {
  const auto spec =
      With(Spec(), {"source_dataset=", "backbone.frozen_statistics=true",
                    "step2.learning_rate=0.001", "step2.cosine=false", "step2.warmup_epochs=0",
                    "step2.weight_decay=0", "step2.gradient_clip=0", "step2.batch_size=4"});
  const TensorMap before = Train(With(spec, {"step2.epochs=0"}));
  const auto moved = [&](const std::string& accumulate) {
    return Distance(before,
                    Train(With(spec, {"step2.epochs=1", "step2.accumulate=" + accumulate})));
  };
  EXPECT_NEAR(moved("100"), 0.001, 1e-5);
  EXPECT_GT(moved("1"), 0.002);
}

TEST_F(IhdaOptionsTest, AccumulationResumesToTheSameBits) {
  const auto spec = With(Spec(), {"step1.accumulate=2", "step2.accumulate=3"});
  const TensorMap whole = Train(spec);
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  int epochs = 0;
  options.observer.on_epoch = [&](const auto&, const auto&) { ++epochs; };
  options.observer.stop = [&] { return epochs == 3; };
  EXPECT_THAT((*Create(spec, options))->Run(), StatusIs(absl::StatusCode::kCancelled));
  options.observer.stop = [] { return false; };
  EXPECT_THAT(Differences(whole, Train(spec, options)), IsEmpty());
}

TEST_F(IhdaOptionsTest, ChannelsLastLearnsTheSame) {
  const auto once = [](v1::TrainingSpec spec) {
    return With(std::move(spec), {"step1.epochs=0", "step2.epochs=1"});
  };
  const TensorMap first = Train(once(Spec()));
  const TensorMap last = Train(once(With(Spec(), {"channels_last=true"})));
  EXPECT_LT(Distance(first, last), 0.02);
  EXPECT_EQ(last.at("encoder.conv1.weight").shape, first.at("encoder.conv1.weight").shape);
}

TEST_F(IhdaOptionsTest, PackedDataGivesTheSameBits) {
  const auto resolved = ResolveSpec(Spec());
  ASSERT_THAT(resolved, IsOk());
  const auto pack = [&](const std::string& folder, const std::string& file) {
    const auto data_set = DataSet::Open(folder);
    ASSERT_THAT(data_set, IsOk());
    const auto manifest = ManifestOf(*resolved, {});
    const absl::Status status =
        PackDataSet(*data_set, manifest->photo(), manifest->sketch(), 1, dir_.File(file));
    ASSERT_THAT(status, IsOk());
  };
  pack(Source(), "source.safetensors");
  pack(Target(), "target.safetensors");
  const auto packed = With(Spec(), {"source_dataset=" + dir_.File("source.safetensors"),
                                    "target_dataset=" + dir_.File("target.safetensors")});
  EXPECT_THAT(Differences(Train(Spec()), Train(packed)), IsEmpty());
}

TEST_F(IhdaOptionsTest, DataPackedForAnotherInputIsRefusedSayingWhatDiffers) {
  const auto data_set = DataSet::Open(Target());
  const auto manifest = ManifestOf(*ResolveSpec(Spec()), {});
  const std::string file = dir_.File("target.safetensors");
  ASSERT_THAT(PackDataSet(*data_set, manifest->photo(), manifest->sketch(), 1, file), IsOk());
  const auto trainer =
      Create(With(Spec(), {"target_dataset=" + file, "photo.height=48", "source_dataset="}));
  EXPECT_THAT(trainer, StatusIs(absl::StatusCode::kFailedPrecondition,
                                AllOf(HasSubstr(file), HasSubstr("32 x 32"), HasSubstr("48 x 32"),
                                      HasSubstr("pack the data set again"))));
}

TEST_F(IhdaOptionsTest, EachIdentityIsHeldBackInOneFold) {
  const auto target = DataSet::Open(Target());
  ASSERT_THAT(target, IsOk());
  for (const DataSetImage& image : target->images()) {
    int held_back = 0;
    for (uint32_t fold = 0; fold < 3; ++fold) {
      held_back += IsHeldBack(image, {0, 3, fold}) ? 1 : 0;
    }
    EXPECT_EQ(held_back, image.split == "train" ? 1 : 0) << image.path;
  }
}

TEST_F(IhdaOptionsTest, LossThatIsNotFiniteLeavesTheNetworksBeforeIt) {
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  const auto spec = With(Spec(), {"step1.learning_rate=1", "step1.gradient_clip=0",
                                  "step1.warmup_epochs=0", "loss.attribute=1000", "step1.epochs=40",
                                  "step1.cosine=false", "backbone.frozen_statistics=true"});
  const absl::Status status = (*Create(spec, options))->Run();
  ASSERT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("step 1, epoch "), HasSubstr("update "),
                                     HasSubstr("the loss term \""),
                                     HasSubstr(options.state_file + ".failed"))));
  const auto state = ReadResumeState(options.state_file + ".failed");
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->ihda_step, 1);
}

TEST_F(IhdaOptionsTest, DataIsReportedBeforeTraining) {
  // An attribute that no photo has, and a photo without a sketch.
  const std::string folder = dir_.File("source");
  std::filesystem::copy(Source(), folder, std::filesystem::copy_options::recursive);
  auto source = DataSet::Open(folder);
  ASSERT_THAT(source, IsOk());
  DataSetDescription description{"odd", source->attributes(), "", ""};
  std::vector<DataSetImage> images = source->images();
  for (DataSetImage& image : images) image.attributes[0] = 0;
  ASSERT_THAT(WriteDataSet(folder, description, images), IsOk());
  std::vector<std::string> said;
  IhdaTrainerOptions options;
  options.observer.on_message = [&](const std::string& sentence) { said.push_back(sentence); };
  ASSERT_THAT(Create(With(Spec(), {"source_dataset=" + folder}), options), IsOk());
  EXPECT_THAT(
      said, testing::Contains(HasSubstr("\"" + source->attributes()[0] + "\" is never positive")));
}

TEST_F(IhdaOptionsTest, TermsWithoutDataAreReportedAsOff) {
  std::vector<std::string> said;
  IhdaTrainerOptions options;
  options.observer.on_message = [&](const std::string& sentence) { said.push_back(sentence); };
  ASSERT_THAT(Create(Spec(), options), IsOk());
  EXPECT_THAT(said, testing::Not(testing::Contains(HasSubstr("terms are off"))));
  ASSERT_THAT(Create(With(Spec(), {"source_dataset="}), options), IsOk());
  EXPECT_THAT(said, testing::Contains("there is no source_dataset, so these terms are off: "
                                      "loss.attribute, loss.attribute_entropy, loss.consistency, "
                                      "loss.domain"));
}

TEST_F(IhdaOptionsTest, StepThatIsNotTrainedIsReportedWithTheReason) {
  const auto said = [&](const std::vector<std::string>& fields) {
    const auto resolved = ResolveSpec(With(Spec(), fields));
    EXPECT_THAT(resolved, IsOk());
    return ReportData(*OpenTrainingDataSets(*resolved), *resolved);
  };
  const auto not_trained = testing::Contains(HasSubstr("step 1 is not trained"));
  EXPECT_THAT(said({}), testing::Not(not_trained));
  EXPECT_THAT(said({"initial_version=3", "repeat_step1=true"}), testing::Not(not_trained));
  EXPECT_THAT(said({"initial_version=3", "step1.epochs=0"}), testing::Not(not_trained));
  EXPECT_THAT(said({"initial_version=3", "step1.epochs=5"}),
              testing::Contains("step 1 is not trained, because the run starts from version 3, "
                                "whether that was trained with a source or not; "
                                "repeat_step1=true trains it"));
  EXPECT_THAT(said({"source_dataset="}),
              testing::Contains("step 1 is not trained, because there is no source_dataset"));
}

// 304 pairs of QMUL-Shoes, and 150 of PKU-Sketch.
TEST_F(IhdaOptionsTest, ReleasePresetsHaveTheReleasesThreeUpdatesAnEpoch) {
  const auto resolved = ResolveSpec(Spec());
  ASSERT_THAT(resolved, IsOk());
  const auto data_sets = OpenTrainingDataSets(*resolved);
  ASSERT_THAT(data_sets, IsOk());
  const auto manifest = ManifestOf(*resolved, data_sets->attributes());
  ASSERT_THAT(manifest, IsOk());
  auto data = LoadTrainingData(*data_sets, *resolved, *manifest, /*threads=*/1);
  ASSERT_THAT(data, IsOk());
  // A plan needs no image.
  const auto number = [](int count, std::vector<int>& labels) {
    labels.resize(static_cast<size_t>(count));
    std::iota(labels.begin(), labels.end(), 0);
  };
  for (const auto& [preset, pairs] :
       {std::pair("shoes-release", 304), std::pair("persons-release", 150)}) {
    number(pairs, data->photos.labels);
    number(pairs, data->sketches.labels);
    v1::TrainingSpec spec;
    spec.set_preset(preset);
    spec.set_source_dataset(Source());
    spec.set_target_dataset(Target());
    const auto release = ResolveSpec(spec);
    ASSERT_THAT(release, IsOk());
    const auto step = MakeStep2(*release, *data);
    ASSERT_THAT(step, IsOk());
    const EpochPlan plan = (*step)->Plan(/*epoch=*/0);
    ASSERT_EQ(plan.indices.size(), 3u) << preset;
    for (const auto& parts : plan.indices) EXPECT_EQ(parts.size(), 3u) << "source photos, too";
  }
}

TEST_F(IhdaOptionsTest, WhatNothingReadsIsReported) {
  const auto said = [&](const std::vector<std::string>& fields) {
    const auto resolved = ResolveSpec(With(Spec(), fields));
    EXPECT_THAT(resolved, IsOk());
    return ReportData(*OpenTrainingDataSets(*resolved), *resolved);
  };
  const auto neck = testing::Contains(HasSubstr("embedding.neck is not used"));
  EXPECT_THAT(said({"loss.identity=0"}), testing::Not(neck));
  EXPECT_THAT(said({"embedding.neck=batch_norm"}), testing::Not(neck));
  EXPECT_THAT(
      said({"embedding.neck=batch_norm", "loss.identity=0", "embedding.retrieval_feature=neck"}),
      testing::Not(neck));
  EXPECT_THAT(said({"embedding.neck=batch_norm", "loss.identity=0"}), neck);
  const auto contrastive = testing::Contains(HasSubstr("loss.contrastive is off in step 1"));
  EXPECT_THAT(said({}), testing::Not(contrastive));
  EXPECT_THAT(said({"loss.triplet=0", "step1.images_per_identity=1"}), contrastive);
  EXPECT_THAT(said({"loss.triplet=0", "step1.images_per_identity=1", "source_dataset="}),
              testing::Not(contrastive));
}

// Sixteen identities, of which some are held back.
TEST_F(IhdaOptionsTest, PairsThatTheStartIsFittedToAreReported) {
  const auto data_sets = OpenTrainingDataSets(Spec());
  ASSERT_THAT(data_sets, IsOk());
  EXPECT_THAT(ReportData(*data_sets, *ResolveSpec(Spec())),
              testing::Not(testing::Contains(HasSubstr("the projection to"))));
  const auto report =
      ReportData(*data_sets, *ResolveSpec(With(Spec(), {"initial_weights=w.safetensors"})));
  ASSERT_FALSE(report.empty());
  EXPECT_THAT(report[0],
              testing::MatchesRegex("the projection to 16 values starts from [0-9]+ pairs: "
                                    "[0-9]+ of [0-9]+ photos and [0-9]+ of [0-9]+ "
                                    "sketches; below 50 pairs every further one .*"));
}

TEST_F(IhdaOptionsTest, FrozenStagesAreReportedWhereTheyStayRandom) {
  std::vector<std::string> said;
  IhdaTrainerOptions options;
  options.observer.on_message = [&](const std::string& sentence) { said.push_back(sentence); };
  ASSERT_THAT(Create(Spec(), options), IsOk());
  EXPECT_THAT(said, testing::Not(testing::Contains(HasSubstr("stay random"))));
  ASSERT_THAT(Create(With(Spec(), {"backbone.frozen_stages=2"}), options), IsOk());
  EXPECT_THAT(said, testing::Contains(HasSubstr("the first 2 stages stay random")));
}

}  // namespace
}  // namespace s2p::test
