#include "trainer/optimization/batch_statistics.h"

#include <torch/nn/modules/batchnorm.h>

namespace s2p {
namespace {

// Without a momentum, LibTorch weighs the batches seen since the counter was 0 alike. Returns what
// sets momentum and counter back.
template <typename Norm>
std::function<void()> Restart(Norm& norm) {
  auto momentum = norm.options.momentum();
  const torch::Tensor counter = norm.num_batches_tracked.clone();
  norm.options.momentum() = decltype(momentum)();
  norm.num_batches_tracked.zero_();  // A buffer, which no gradient flows through.
  return [&norm, momentum, counter] {
    norm.options.momentum() = momentum;
    norm.num_batches_tracked.copy_(counter);
  };
}

}  // namespace

BatchStatistics::BatchStatistics(torch::nn::Module& network) {
  for (const auto& module : network.modules()) {
    if (!module->is_training()) continue;
    if (auto* norm = module->as<torch::nn::BatchNorm1d>()) restore_.push_back(Restart(*norm));
    if (auto* norm = module->as<torch::nn::BatchNorm2d>()) restore_.push_back(Restart(*norm));
  }
}

BatchStatistics::~BatchStatistics() {
  for (const auto& restore : restore_) restore();
}

}  // namespace s2p
