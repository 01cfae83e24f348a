// The optimizer of a training step.
#ifndef S2P_TRAINER_OPTIMIZATION_OPTIMIZER_H_
#define S2P_TRAINER_OPTIMIZATION_OPTIMIZER_H_

#include <torch/optim/optimizer.h>

#include <memory>
#include <vector>

#include "s2p/v1/training.pb.h"

namespace s2p {

// Adam (Kingma and Ba, ICLR 2015) with beta `beta1` and 0.999; AdamW (Loshchilov and Hutter, ICLR
// 2019) where the step has a weight decay. Rates are set before each update.
std::unique_ptr<torch::optim::Optimizer> MakeOptimizer(
    const std::vector<torch::optim::OptimizerParamGroup>& groups,
    const v1::TrainingSpec::StepSpec& step, double beta1);

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_OPTIMIZER_H_
