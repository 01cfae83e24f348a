#include "trainer/optimization/optimizer.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>

#include <tuple>

namespace s2p {

std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(
    const std::vector<torch::optim::OptimizerParamGroup>& groups,
    const v1::TrainingSpec::StepSpec& step, double beta1) {
  const std::tuple<double, double> betas(beta1, 0.999);
  if (step.weight_decay() > 0) {
    return std::make_unique<torch::optim::AdamW>(groups,
                                                 torch::optim::AdamWOptions(step.learning_rate())
                                                     .betas(betas)
                                                     .weight_decay(step.weight_decay()));
  }
  return std::make_unique<torch::optim::Adam>(
      groups, torch::optim::AdamOptions(step.learning_rate()).betas(betas));
}

}  // namespace s2p
