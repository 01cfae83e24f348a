#include "trainer/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/testing/golden.h"

namespace s2p::testing {
namespace {

v1::TrainingSpec::StepSpec Spec(double rate, uint32_t warmup, double decay, uint32_t decay_from) {
  v1::TrainingSpec::StepSpec spec;
  spec.set_epochs(10);
  spec.set_learning_rate(rate);
  spec.set_warmup_epochs(warmup);
  spec.set_decay(decay);
  spec.set_decay_from_epoch(decay_from);
  return spec;
}

TEST(LearningRateGoldenTest, ReleaseSchedulesOfAllFourTrainers) {
  S2P_GOLDEN_OR_SKIP(path, "learning_rate.json");
  std::ifstream file(path);
  const nlohmann::json golden = nlohmann::json::parse(file);
  struct Trainer {
    const char* name;
    int ihda_step;
    v1::TrainingSpec::StepSpec spec;
  };
  const Trainer trainers[] = {{"market", 1, Spec(3e-4, 0, 0.1, 0)},
                              {"zap", 1, Spec(3.5e-4, 0, 2, 0)},
                              {"pku", 2, Spec(3e-4, 11, 0.8, 31)},
                              {"sbir", 2, Spec(3e-4, 21, 0, 0)}};
  for (const Trainer& trainer : trainers) {
    const auto& adjusted = golden.at(trainer.name).at("adjust_head_lr");
    const auto& effective = golden.at(trainer.name).at("effective_head_lr");
    for (int epoch = 0; epoch < static_cast<int>(adjusted.size()); ++epoch) {
      const double want = adjusted[epoch].get<double>();
      EXPECT_NEAR(ReleaseLearningRate(trainer.spec, trainer.ihda_step, epoch), want, want * 1e-12)
          << trainer.name << " " << epoch;
      const double used = effective[epoch].get<double>();
      EXPECT_NEAR(LearningRate(trainer.spec, v1::RECIPE_RELEASE, trainer.ihda_step, epoch, 0, 7),
                  used, used * 1e-12)
          << trainer.name << " " << epoch;
    }
  }
}

TEST(LearningRateTest, WarmUpRisesLinearlyByUpdateThenStays) {
  const auto spec = Spec(1, 2, 0, 0);
  const auto rate = [&](int epoch, int step) {
    return LearningRate(spec, v1::RECIPE_PAPER, 2, epoch, step, 4);
  };
  EXPECT_DOUBLE_EQ(rate(0, 0), 0.125);
  EXPECT_DOUBLE_EQ(rate(1, 2), 0.875);
  EXPECT_DOUBLE_EQ(rate(1, 3), 1);
  EXPECT_DOUBLE_EQ(rate(9, 3), 1);
}

TEST(LearningRateTest, CosineFallsToZeroAtTheEnd) {
  auto spec = Spec(1, 2, 0, 0);
  spec.set_cosine(true);
  EXPECT_DOUBLE_EQ(LearningRate(spec, v1::RECIPE_PAPER, 2, 5, 3, 4), 0.5);
  EXPECT_NEAR(LearningRate(spec, v1::RECIPE_PAPER, 2, 9, 3, 4), 0, 1e-12);
}

TEST(LearningRateTest, WithoutWarmUpTheFirstUpdateHasTheFullRate) {
  EXPECT_DOUBLE_EQ(LearningRate(Spec(0.5, 0, 0, 0), v1::RECIPE_PAPER, 1, 0, 0, 4), 0.5);
}

TEST(LearningRateTest, ReversalBeginsAtNothingAndEndsBelowOne) {
  EXPECT_DOUBLE_EQ(ReversalCoefficient(0), 0);
  EXPECT_NEAR(ReversalCoefficient(1000), 2 / (1 + std::exp(-1.0)) - 1, 1e-12);
  EXPECT_LT(ReversalCoefficient(20000), 1);
}

}  // namespace
}  // namespace s2p::testing
