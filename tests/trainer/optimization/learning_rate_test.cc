#include "trainer/optimization/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/testing/golden.h"
#include "tests/testing/golden_report.h"
#include "tests/testing/status_matchers.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

// Ten epochs of step 2.
v1::TrainingSpec Spec(double rate, uint32_t warmup, bool cosine = false) {
  v1::TrainingSpec spec;
  spec.mutable_step2()->set_epochs(10);
  spec.mutable_step2()->set_learning_rate(rate);
  spec.mutable_step2()->set_warmup_epochs(warmup);
  spec.mutable_step2()->set_cosine(cosine);
  return spec;
}

const v1::TrainingSpec::StepSpec& StepOf(const v1::TrainingSpec& spec, int ihda_step) {
  return ihda_step == 1 ? spec.step1() : spec.step2();
}

TrainingPlace Place(int ihda_step, int epoch, int batch, int batches) {
  TrainingPlace place;
  place.ihda_step = ihda_step;
  place.epoch = epoch;
  place.batch = batch;
  place.batches = batches;
  return place;
}

v1::TrainingSpec Preset(const std::string& name) {
  v1::TrainingSpec spec;
  spec.set_preset(name);
  auto resolved = ResolveSpec(spec);
  EXPECT_THAT(resolved, IsOk());
  return *std::move(resolved);
}

// make_learning_rate_golden.py made the file, from the first epoch to the last of each trainer.
TEST(LearningRateGoldenTest, PresetsHaveTheRatesOfTheReleasesFourTrainersInAllTheirEpochs) {
  S2P_GOLDEN_OR_SKIP(path, "learning_rate.json");
  std::ifstream file(path);
  const nlohmann::json golden = nlohmann::json::parse(file);
  struct Trainer {
    const char* name;
    int ihda_step;
    const v1::TrainingSpec& spec;
  };
  const auto persons = Preset("persons-release"), shoes = Preset("shoes-release");
  const Trainer trainers[] = {
      {"market", 1, persons}, {"zap", 1, shoes}, {"pku", 2, persons}, {"sbir", 2, shoes}};
  for (const Trainer& trainer : trainers) {
    const auto& step = StepOf(trainer.spec, trainer.ihda_step);
    const nlohmann::json& rates = golden.at(trainer.name);
    EXPECT_EQ(step.learning_rate(), rates.at("args_lr"));
    EXPECT_EQ(step.encoder_rate_factor(), rates.at("embed_factor"));
    ASSERT_EQ(step.epochs(), rates.at("adjust_head_lr").size()) << trainer.name;
    for (int epoch = 0; epoch < static_cast<int>(step.epochs()); ++epoch) {
      const double want = rates.at("adjust_head_lr")[epoch].get<double>();
      const double got = release::AdjustedRate(trainer.spec, trainer.ihda_step, epoch);
      RecordGolden("learning_rate.json", absl::StrCat(trainer.name, " ", epoch),
                   std::abs(got - want) / want, 1e-12);
      EXPECT_NEAR(got, want, want * 1e-12) << trainer.name << " " << epoch;
      const double used = rates.at("effective_head_lr")[epoch].get<double>();
      EXPECT_NEAR(release::LearningRate(trainer.spec, Place(trainer.ihda_step, epoch, 0, 7)), used,
                  used * 1e-12)
          << trainer.name << " " << epoch;
    }
  }
}

// The release has no trainer for faces; the preset has those of persons.
TEST(LearningRateTest, FacesHaveTheRatesOfPersons) {
  const auto persons = Preset("persons-release"), faces = Preset("faces-release");
  for (const int ihda_step : {1, 2}) {
    const auto& step = StepOf(faces, ihda_step);
    ASSERT_EQ(step.epochs(), StepOf(persons, ihda_step).epochs());
    EXPECT_EQ(step.encoder_rate_factor(), StepOf(persons, ihda_step).encoder_rate_factor());
    for (int epoch = 0; epoch < static_cast<int>(step.epochs()); ++epoch) {
      const TrainingPlace place = Place(ihda_step, epoch, 0, 7);
      EXPECT_EQ(release::LearningRate(faces, place), release::LearningRate(persons, place))
          << "step " << ihda_step << ", epoch " << epoch;
    }
  }
}

TEST(LearningRateTest, WarmUpRisesLinearlyByBatchThenStays) {
  const auto rate = [](int epoch, int batch) {
    return paper::LearningRate(Spec(1, 2), Place(2, epoch, batch, 4));
  };
  EXPECT_DOUBLE_EQ(rate(0, 0), 0.125);
  EXPECT_DOUBLE_EQ(rate(1, 2), 0.875);
  EXPECT_DOUBLE_EQ(rate(1, 3), 1);
  EXPECT_DOUBLE_EQ(rate(9, 3), 1);
}

TEST(LearningRateTest, CosineFallsToZeroAtTheEnd) {
  const auto spec = Spec(1, 2, /*cosine=*/true);
  EXPECT_DOUBLE_EQ(paper::LearningRate(spec, Place(2, 5, 3, 4)), 0.5);
  EXPECT_NEAR(paper::LearningRate(spec, Place(2, 9, 3, 4)), 0, 1e-12);
}

TEST(LearningRateTest, WithoutWarmUpTheFirstUpdateHasTheFullRate) {
  EXPECT_DOUBLE_EQ(paper::LearningRate(Spec(0.5, 0), Place(2, 0, 0, 4)), 0.5);
}

// Specs of programs before the field have none.
TEST(LearningRateTest, ReleaseEndsStep1WithATenthOfTheRateUnlessTheSpecSaysOtherwise) {
  v1::TrainingSpec spec;
  spec.mutable_step1()->set_learning_rate(1);
  EXPECT_DOUBLE_EQ(release::AdjustedRate(spec, 1, 100), 0.5);
  EXPECT_DOUBLE_EQ(release::AdjustedRate(spec, 1, 101), 0.1);
  EXPECT_DOUBLE_EQ(release::AdjustedRate(spec, 1, 119), 0.1);
  spec.mutable_release()->set_step1_last_decay(0.7);
  EXPECT_DOUBLE_EQ(release::AdjustedRate(spec, 1, 100), 0.5);
  EXPECT_DOUBLE_EQ(release::AdjustedRate(spec, 1, 101), 0.7);
  spec.mutable_release()->set_step1_last_decay(0);
  EXPECT_DOUBLE_EQ(release::AdjustedRate(spec, 1, 101), 1);
}

TEST(LearningRateTest, PaperReversesTheWholeGradientAtTheEndOfTheStepHoweverLongItIs) {
  for (const int epochs : {1, 8, 500}) {
    TrainingPlace place = Place(2, epochs - 1, 22, 23);
    place.epochs = epochs;
    EXPECT_NEAR(paper::ReversalCoefficient(place), 2 / (1 + std::exp(-10.0)) - 1, 1e-12) << epochs;
  }
}

TEST(LearningRateTest, PaperReversesHalfwayByTheHalfOfTheSchedule) {
  TrainingPlace place = Place(2, 4, 1, 4);
  place.epochs = 9;
  EXPECT_NEAR(paper::ReversalCoefficient(place), 2 / (1 + std::exp(-5.0)) - 1, 1e-12);
}

TEST(LearningRateTest, ReleaseReversesByTheNumberOfUpdatesAlone) {
  TrainingPlace place;
  EXPECT_DOUBLE_EQ(release::ReversalCoefficient(place), 0);
  place.update = 1000;
  EXPECT_NEAR(release::ReversalCoefficient(place), 2 / (1 + std::exp(-1.0)) - 1, 1e-12);
  place.update = 20000;
  EXPECT_LT(release::ReversalCoefficient(place), 1);
}

}  // namespace
}  // namespace s2p::test
