#include "trainer/optimization/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

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

TEST(LearningRateGoldenTest, ReleaseSchedulesOfAllFourTrainers) {
  S2P_GOLDEN_OR_SKIP(path, "learning_rate.json");
  std::ifstream file(path);
  const nlohmann::json golden = nlohmann::json::parse(file);
  struct Trainer {
    const char* name;
    int ihda_step;
    const v1::TrainingSpec& spec;
  };
  // The presets are the release's trainers.
  const auto persons = Preset("persons-release"), shoes = Preset("shoes-release");
  const Trainer trainers[] = {
      {"market", 1, persons}, {"zap", 1, shoes}, {"pku", 2, persons}, {"sbir", 2, shoes}};
  for (const Trainer& trainer : trainers) {
    const auto& step = trainer.ihda_step == 1 ? trainer.spec.step1() : trainer.spec.step2();
    EXPECT_EQ(step.learning_rate(), golden.at(trainer.name).at("args_lr"));
    EXPECT_EQ(step.encoder_rate_factor(), golden.at(trainer.name).at("embed_factor"));
    const auto& adjusted = golden.at(trainer.name).at("adjust_head_lr");
    const auto& effective = golden.at(trainer.name).at("effective_head_lr");
    for (int epoch = 0; epoch < static_cast<int>(adjusted.size()); ++epoch) {
      const double want = adjusted[epoch].get<double>();
      const double got = release::AdjustedRate(trainer.spec, trainer.ihda_step, epoch);
      RecordGolden("learning_rate.json", absl::StrCat(trainer.name, " ", epoch),
                   std::abs(got - want) / want, 1e-12);
      EXPECT_NEAR(got, want, want * 1e-12) << trainer.name << " " << epoch;
      const double used = effective[epoch].get<double>();
      EXPECT_NEAR(release::LearningRate(trainer.spec, Place(trainer.ihda_step, epoch, 0, 7)), used,
                  used * 1e-12)
          << trainer.name << " " << epoch;
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

// A rule of the release's adjust_learning_rate(epoch): up to this epoch, `factor` times the rate,
// times (epoch + 1) where it is the warm-up, to the power of epoch / 10 where it is the decay.
struct Rule {
  int last_epoch;
  double factor;
  enum Kind { kConstant, kWarmUp, kDecay } kind = kConstant;
};

// The release calls it after each epoch, so an epoch trains with the factor of the one before it,
// and the first with 1.
double FactorOf(const std::vector<Rule>& rules, int epoch) {
  if (epoch == 0) return 1;
  const int set_after = epoch - 1;
  for (const Rule& rule : rules) {
    if (set_after > rule.last_epoch) continue;
    if (rule.kind == Rule::kWarmUp) return rule.factor * (set_after + 1);
    if (rule.kind == Rule::kDecay) return std::pow(rule.factor, set_after / 10.0);
    return rule.factor;
  }
  ADD_FAILURE() << "no rule for epoch " << epoch;
  return 0;
}

// The golden file ends with epoch 100; the trainers of step 1 do not.
TEST(LearningRateTest, PresetsHaveTheRatesOfTheReleaseInAllTheirEpochs) {
  constexpr int kNoEnd = 1000;
  // engine/market_tainer.py, zap_tainer.py, pku_market_trainer.py and zap_sbir_trainer.py.
  const std::vector<Rule> market = {{10, 1, Rule::kWarmUp}, {30, 1}, {60, 0.1}, {80, 1}, {100, 0.5},
                                    {kNoEnd, 0.1}};
  const std::vector<Rule> zap = {{10, 1, Rule::kWarmUp}, {30, 1}, {60, 2}, {80, 1}, {kNoEnd, 0.5}};
  const std::vector<Rule> pku = {
      {10, 1.0 / 11, Rule::kWarmUp}, {30, 1}, {kNoEnd, 0.8, Rule::kDecay}};
  const std::vector<Rule> sbir = {{20, 1.0 / 21, Rule::kWarmUp}, {kNoEnd, 1}};
  struct Trainer {
    const char* preset;
    int ihda_step;
    int epochs;
    double rate;
    const std::vector<Rule>& rules;
  };
  // The release has no trainer for faces; the preset has that of persons.
  const Trainer trainers[] = {
      {"persons-release", 1, 121, 3e-4, market}, {"persons-release", 2, 101, 3e-4, pku},
      {"shoes-release", 1, 121, 3.5e-4, zap},    {"shoes-release", 2, 61, 3e-4, sbir},
      {"faces-release", 1, 121, 3e-4, market},   {"faces-release", 2, 101, 3e-4, pku}};
  for (const Trainer& trainer : trainers) {
    const v1::TrainingSpec spec = Preset(trainer.preset);
    const auto& step = trainer.ihda_step == 1 ? spec.step1() : spec.step2();
    ASSERT_EQ(static_cast<int>(step.epochs()), trainer.epochs) << trainer.preset;
    for (int epoch = 0; epoch < trainer.epochs; ++epoch) {
      const double want = trainer.rate * FactorOf(trainer.rules, epoch);
      EXPECT_NEAR(release::LearningRate(spec, Place(trainer.ihda_step, epoch, 0, 7)), want,
                  want * 1e-12)
          << trainer.preset << ", step " << trainer.ihda_step << ", epoch " << epoch;
    }
  }
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
