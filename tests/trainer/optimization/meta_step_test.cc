#include "trainer/optimization/meta_step.h"

#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/types.h>

#include <cmath>
#include <memory>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "trainer/optimization/optimizer.h"

namespace s2p::test {
namespace {

torch::Tensor F64(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64);
}

// A linear model of two weights, w = (1, -2), that Adam moves by 0.1. Two objectives, each half of
// (x w - y)^2: the main one has x = (1, 2) and y = 0, the meta objective x = (2, 1) and y = 1.
class MetaStepTest : public testing::Test {
 protected:
  static std::unique_ptr<torch::optim::Optimizer> Optimizer(const torch::Tensor& w,
                                                            double weight_decay) {
    v1::TrainingSpec::StepSpec step;
    step.set_learning_rate(0.1);
    step.set_weight_decay(weight_decay);
    return MakeOptimizer({torch::optim::OptimizerParamGroup({w})}, step, 0.9);
  }
  static torch::Tensor Weights() { return F64({1, -2}).requires_grad_(); }
  static torch::Tensor Main(const torch::Tensor& w) { return (F64({1, 2}) * w).sum().pow(2) / 2; }
  static torch::Tensor Meta(const torch::Tensor& w) {
    return ((F64({2, 1}) * w).sum() - 1).pow(2) / 2;
  }
  // The gradients of one update.
  absl::Status Backward() {
    Main(w_).backward();
    return AddMetaGradient(
        *optimizer_, [&] { optimizer_->step(); },
        [&] {
          seen_ = w_.detach().clone();
          Meta(w_).backward();
          return absl::OkStatus();
        });
  }
  static void ExpectNear(const torch::Tensor& actual, const torch::Tensor& expected) {
    EXPECT_TRUE(torch::allclose(actual, expected, 1e-7, 1e-7)) << actual << expected;
  }

  const torch::Tensor w_ = Weights();
  const std::unique_ptr<torch::optim::Optimizer> optimizer_ = Optimizer(w_, 0);
  torch::Tensor seen_;
};

// x w is -3, so the main gradient is (-3, -6), and Adam's first step is the rate against its sign:
// to (1.1, -1.9). There the meta objective has x w - y = -0.7 and the gradient (-1.4, -0.7); where
// the weights are it has -1 and (-2, -1).
TEST_F(MetaStepTest, GradientIsTakenWhereTheStepOfTheMainObjectiveLeads) {
  ASSERT_THAT(Backward(), IsOk());
  ExpectNear(seen_, F64({1.1, -1.9}));
  ExpectNear(w_.grad(), F64({-3 - 1.4, -6 - 0.7}));
  EXPECT_TRUE(torch::equal(w_.detach(), F64({1, -2})));
}

// Adam alone, given the sums of gradients, ends with the same bits.
TEST_F(MetaStepTest, StepLeavesNothingInTheOptimizer) {
  for (const double weight_decay : {0.0, 0.2}) {
    const torch::Tensor w = Weights(), plain = Weights();
    const auto optimizer = Optimizer(w, weight_decay);
    const auto alone = Optimizer(plain, weight_decay);
    for (int update = 0; update < 4; ++update) {
      Main(w).backward();
      ASSERT_THAT(AddMetaGradient(
                      *optimizer, [&] { optimizer->step(); },
                      [&] {
                        Meta(w).backward();
                        return absl::OkStatus();
                      }),
                  IsOk());
      plain.mutable_grad() = w.grad().clone();
      for (torch::optim::Optimizer* each : {optimizer.get(), alone.get()}) {
        each->step();
        each->zero_grad();
      }
      EXPECT_TRUE(torch::equal(w, plain)) << "update " << update << ": " << w << plain;
    }
    EXPECT_FALSE(torch::equal(w, Weights()));
  }
}

TEST_F(MetaStepTest, SecondStepFollowsTheMomentsOfTheFirstUpdate) {
  ASSERT_THAT(Backward(), IsOk());
  optimizer_->step();
  optimizer_->zero_grad();
  // The first update leads to (1.1, -1.9), where the main gradient is x w (1, 2) = -2.7 (1, 2). The
  // step that follows has the moments of (-4.4, -6.7) and of that gradient.
  ASSERT_THAT(Backward(), IsOk());
  const auto step = [](double before, double now) {
    const double mean = (0.9 * 0.1 * before + 0.1 * now) / (1 - 0.81);
    const double square =
        (0.999 * 0.001 * before * before + 0.001 * now * now) / (1 - 0.999 * 0.999);
    return -0.1 * mean / std::sqrt(square);
  };
  ExpectNear(seen_, F64({1.1 + step(-4.4, -2.7), -1.9 + step(-6.7, -5.4)}));
}

TEST_F(MetaStepTest, WhatTheStepDoesToTheGradientsIsUndone) {
  Main(w_).backward();
  ASSERT_THAT(AddMetaGradient(
                  *optimizer_,
                  [&] {
                    torch::nn::utils::clip_grad_norm_({w_}, 0.001);
                    optimizer_->step();
                  },
                  [] { return absl::OkStatus(); }),
              IsOk());
  ExpectNear(w_.grad(), F64({-3, -6}));
}

TEST_F(MetaStepTest, ParameterOfTheMetaObjectiveAloneGetsItsGradient) {
  ASSERT_THAT(AddMetaGradient(
                  *optimizer_, [&] { optimizer_->step(); },
                  [&] {
                    Meta(w_).backward();
                    return absl::OkStatus();
                  }),
              IsOk());
  ExpectNear(w_.grad(), F64({-2, -1}));
}

TEST_F(MetaStepTest, ErrorIsReturnedAndTheParametersAreBack) {
  Main(w_).backward();
  EXPECT_THAT(AddMetaGradient(
                  *optimizer_, [&] { optimizer_->step(); },
                  [] { return absl::InvalidArgumentError("not finite"); }),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(torch::equal(w_.detach(), F64({1, -2})));
}

}  // namespace
}  // namespace s2p::test
