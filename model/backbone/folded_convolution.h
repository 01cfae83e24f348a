// The convolution that a network in evaluation mode computes: batch norm folded into its weights.
#ifndef S2P_MODEL_BACKBONE_FOLDED_CONVOLUTION_H_
#define S2P_MODEL_BACKBONE_FOLDED_CONVOLUTION_H_

#include <torch/types.h>

#include <cstdint>

namespace s2p {

// A convolution and the batch norm that follows it, in evaluation mode, as one convolution.
struct FoldedConvolution {
  // [out, in / groups, k, k] and [out].
  torch::Tensor weight;
  torch::Tensor bias;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
};

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_FOLDED_CONVOLUTION_H_
