// Folds batch norms into the convolutions before them.
#ifndef S2P_MODEL_BACKBONE_BATCH_NORM_FOLDING_H_
#define S2P_MODEL_BACKBONE_BATCH_NORM_FOLDING_H_

#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "model/backbone/folded_convolution.h"

namespace s2p {

// W' = W g / sqrt(v + eps), b' = (b_conv - m) g / sqrt(v + eps) + b, computed in double; `norm` has
// weight g, bias b, running mean m and variance v.
FoldedConvolution FoldBatchNorm(const torch::nn::Conv2d& convolution,
                                const torch::nn::BatchNorm2d& norm);
// Wraps a convolution that has no batch norm.
FoldedConvolution Unfolded(const torch::nn::Conv2d& convolution);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_BATCH_NORM_FOLDING_H_
