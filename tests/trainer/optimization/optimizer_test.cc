#include "trainer/optimization/optimizer.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>

#include "absl/strings/str_cat.h"
#include "tests/model/golden_weights.h"
#include "tests/trainer/golden_tensors.h"
#include "trainer/ihda/recipe.h"

namespace s2p::test {
namespace {

// fc1 without bias, batch norm, LeakyReLU, fc2: the file's network.
struct Net : torch::nn::Module {
  Net()
      : fc1(register_module("fc1", torch::nn::Linear(torch::nn::LinearOptions(8, 16).bias(false)))),
        bn(register_module("bn", torch::nn::BatchNorm1d(16))),
        fc2(register_module("fc2", torch::nn::Linear(16, 4))) {
    FillModule(*this);
  }
  torch::Tensor Forward(const torch::Tensor& x) { return fc2(torch::leaky_relu(bn(fc1(x)), 0.1)); }
  torch::nn::Linear fc1;
  torch::nn::BatchNorm1d bn;
  torch::nn::Linear fc2;
};

class OptimizerGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(OptimizerGoldenTest, FiveUpdatesAreTheReferencePrograms) {
  S2P_GOLDEN_OR_SKIP(path, "trajectory.safetensors");
  const GoldenTensors golden(path);
  Net net;
  net.to(torch::kFloat64);
  net.train();
  v1::TrainingSpec::StepSpec step;
  step.set_learning_rate(3e-4);
  const auto optimizer = MakeOptimizer({torch::optim::OptimizerParamGroup(net.parameters())}, step,
                                       RecipeOf(v1::RECIPE_RELEASE).adam_beta1);
  const torch::Tensor x = golden["x"].to(torch::kFloat64), y = golden["y"];
  const torch::Tensor rates = golden[GetParam() + "/lr"];
  std::map<std::string, std::vector<torch::Tensor>> seen;
  for (int64_t i = 0; i < rates.numel(); ++i) {
    optimizer->param_groups()[0].options().set_lr(rates[i].item<double>());
    optimizer->zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(net.Forward(x), y);
    loss.backward();
    seen["loss"].push_back(loss.detach());
    for (const auto& item : net.named_parameters()) {
      seen["grad/" + item.key()].push_back(item.value().grad().clone());
    }
    optimizer->step();
    for (const auto& item : net.named_parameters()) {
      seen["param/" + item.key()].push_back(item.value().detach().clone());
    }
    for (const char* name : {"running_mean", "running_var"}) {
      seen[name].push_back(net.bn->named_buffers()[name].clone());
    }
  }
  for (const auto& [name, values] : seen) {
    const std::string entry = absl::StrCat(GetParam(), "/", name, ".f64");
    const bool parameter = absl::StrContains(name, "param/");
    // The weights were rounded to float32 by the rule and are exact here; so tight.
    parameter ? golden.ExpectWithin(torch::stack(values), entry, 1e-9)
              : golden.ExpectNear(torch::stack(values), entry, 1e-7);
  }
  net.eval();
  golden.ExpectNear(net.Forward(x), GetParam() + "/eval_logits.f64", 1e-7);
}

INSTANTIATE_TEST_SUITE_P(Golden, OptimizerGoldenTest, testing::Values("const", "warm"),
                         [](const auto& mode) { return mode.param; });

TEST(OptimizerTest, PaperHasAdamsOwnMomentaAndDecayMakesItAdamW) {
  const std::vector<torch::optim::OptimizerParamGroup> groups = {
      torch::optim::OptimizerParamGroup({torch::ones({2}, torch::requires_grad())})};
  v1::TrainingSpec::StepSpec step;
  step.set_learning_rate(0.5);
  const auto adam = MakeOptimizer(groups, step, RecipeOf(v1::RECIPE_PAPER).adam_beta1);
  const auto& options =
      static_cast<const torch::optim::AdamOptions&>(adam->param_groups()[0].options());
  EXPECT_EQ(options.betas(), std::make_tuple(0.9, 0.999));
  EXPECT_EQ(options.weight_decay(), 0);
  step.set_weight_decay(0.25);
  const auto adamw = MakeOptimizer(groups, step, RecipeOf(v1::RECIPE_PAPER).adam_beta1);
  EXPECT_NE(dynamic_cast<torch::optim::AdamW*>(adamw.get()), nullptr);
}

}  // namespace
}  // namespace s2p::test
