// Layer norm in every precision that training uses.
#ifndef S2P_MODEL_BACKBONE_LAYER_NORM_H_
#define S2P_MODEL_BACKBONE_LAYER_NORM_H_

#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

namespace s2p {

// Normalises the last dimension in the type of the norm's weights. Autocast casts the input itself
// on CUDA only: on the CPU LibTorch refuses a bfloat16 input with float32 weights.
inline torch::Tensor Normalise(torch::nn::LayerNorm& norm, const torch::Tensor& x) {
  return norm(x.to(norm->weight.scalar_type()));
}

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_LAYER_NORM_H_
