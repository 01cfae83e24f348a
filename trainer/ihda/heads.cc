#include "trainer/ihda/heads.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/linear.h>

namespace s2p {
namespace {

namespace nn = torch::nn;

constexpr int kDomains = 3;
constexpr double kLeakySlope = 0.1;
constexpr double kIdentityWeightDeviation = 0.001;

}  // namespace

nn::Sequential IdentityClassifier(int dimension, int identities, double dropout) {
  nn::Linear linear(dimension, identities);
  {
    torch::NoGradGuard no_grad;
    nn::init::normal_(linear->weight, 0, kIdentityWeightDeviation);
    nn::init::zeros_(linear->bias);
  }
  if (dropout == 0) return nn::Sequential(linear);
  return nn::Sequential(nn::Dropout(dropout), linear);
}

nn::Sequential DomainClassifier(int dimension, int width, HeadForm form) {
  if (form == HeadForm::kDense) {
    return nn::Sequential(nn::Linear(dimension, width), nn::ReLU(), nn::Linear(width, width),
                          nn::ReLU(), nn::Linear(width, kDomains));
  }
  const auto leaky = [] {
    return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(kLeakySlope));
  };
  return nn::Sequential(nn::Linear(dimension, width), nn::BatchNorm1d(width), leaky(),
                        nn::Linear(width, width), nn::BatchNorm1d(width), leaky(),
                        nn::Linear(width, kDomains));
}

void InitializeAsRelease(nn::Module& head) {
  torch::NoGradGuard no_grad;
  for (const auto& module : head.modules()) {
    auto* const linear = module->as<nn::LinearImpl>();
    if (linear == nullptr) continue;
    nn::init::kaiming_normal_(linear->weight, /*a=*/0, torch::kFanOut, torch::kLeakyReLU);
    nn::init::zeros_(linear->bias);
  }
}

}  // namespace s2p
