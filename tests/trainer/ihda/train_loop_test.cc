// A run against its updates, made one by one: that they are taken from the plans of both steps, at
// the rates and with the reversal of their places.
#include "trainer/ihda/train_loop.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/random.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/ihda/recipe.h"
#include "trainer/ihda/run_plan.h"
#include "trainer/ihda/training_data.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

// One of the steps has an odd number of batches, whose last makes an update alone.
constexpr int kAccumulate = 2;

class TrainLoopTest : public TinyRunTest, public testing::WithParamInterface<const char*> {
 protected:
  v1::TrainingSpec RunSpec() const {
    return With(Spec(), {std::string("recipe=") + GetParam(), "backbone.shared=false",
                         "validation.fraction=0", "step1.accumulate=2", "step2.accumulate=2"});
  }

  // Trains the updates of one epoch.
  static void TrainEpoch(const v1::TrainingSpec& spec, const IhdaStep& step, TrainingPlace& place,
                         IhdaNetworks& networks) {
    const Recipe& recipe = RecipeOf(spec.recipe());
    EpochPlan plan = step.Plan(place.epoch);
    place.batches = static_cast<int>(plan.batches.size());
    EXPECT_GT(place.batches, kAccumulate) << "an epoch has several updates";
    BatchLoader loader(spec.augmentation(), std::move(plan.batches), /*workers=*/0,
                       /*augment=*/true, recipe.augmentation_style);
    networks.SetTraining();
    for (int first = 0; first < place.batches; first += kAccumulate) {
      ++place.update;
      const int last = std::min(first + kAccumulate, place.batches);
      for (place.batch = first; place.batch < last; ++place.batch) {
        auto parts = loader.Next();
        ASSERT_THAT(parts, IsOk());
        std::vector<torch::Tensor> images;
        for (LoadedBatch& part : *parts) {
          images.push_back(ToTensor(part, torch::kCPU, IsChannelsLast(spec)));
        }
        const torch::Tensor total =
            step.Losses(images, plan.indices[place.batch], place, networks).Total();
        (last - first > 1 ? total / (last - first) : total).backward();
      }
      place.batch = last - 1;
      networks.Update(recipe.learning_rate(spec, place));
    }
  }

  // The weights after both steps.
  static TensorMap TrainByHand(const v1::TrainingSpec& spec) {
    const auto plan = PlanRun(*ResolveSpec(spec), "");
    EXPECT_THAT(plan, IsOk());
    const auto manifest = *ManifestOf(plan->spec, plan->data_sets.attributes());
    const uint64_t seed = TorchSeed(plan->spec);
    torch::manual_seed(seed);
    const auto networks = *IhdaNetworks::Create(plan->spec, manifest, torch::kCPU);
    const auto data = *LoadTrainingData(plan->data_sets, plan->spec, manifest, /*threads=*/1);
    for (const int number : {1, 2}) {
      const auto step = *(number == 1 ? MakeStep1(plan->spec, data) : MakeStep2(plan->spec, data));
      torch::manual_seed(SeedOf(seed, number));
      networks->BeginStep(number, step->identities());
      if (number == 2) networks->encoder().CopyPhotoEncoderToSketchEncoder();
      TrainingPlace place;
      place.ihda_step = number;
      place.epochs = 2;
      for (place.epoch = 0; place.epoch < place.epochs; ++place.epoch) {
        torch::manual_seed(SeedOf(SeedOf(seed, number), place.epoch + 1));
        TrainEpoch(plan->spec, *step, place, *networks);
      }
    }
    return networks->encoder().Weights();
  }
};

TEST_P(TrainLoopTest, RunMakesTheUpdatesOfItsPlans) {
  EXPECT_TRUE(Differences(Train(RunSpec()), TrainByHand(RunSpec())).empty());
}

INSTANTIATE_TEST_SUITE_P(Recipes, TrainLoopTest, testing::Values("paper", "release"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace s2p::test
