#include "trainer/ihda/heads.h"

namespace s2p {
namespace {

namespace nn = torch::nn;

constexpr int kDomains = 3;
constexpr int kPaperHidden = 512;
constexpr int kReleaseHidden = 128;
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

nn::Sequential DomainClassifier(int dimension, v1::Recipe recipe) {
  const int hidden = recipe == v1::RECIPE_RELEASE ? kReleaseHidden : kPaperHidden;
  const auto leaky = [] {
    return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(kLeakySlope));
  };
  return nn::Sequential(nn::Linear(dimension, hidden), nn::BatchNorm1d(hidden), leaky(),
                        nn::Linear(hidden, hidden), nn::BatchNorm1d(hidden), leaky(),
                        nn::Linear(hidden, kDomains));
}

}  // namespace s2p
