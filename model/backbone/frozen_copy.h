// A network for inference that is the network itself in evaluation mode.
#ifndef S2P_MODEL_BACKBONE_FROZEN_COPY_H_
#define S2P_MODEL_BACKBONE_FROZEN_COPY_H_

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "model/backbone/backbone.h"
#include "model/backbone/frozen_backbone.h"

namespace s2p {

// Copies parameters and buffers between two networks of the same form, whatever their devices.
void CopyWeights(const torch::nn::Module& from, torch::nn::Module& to);

// For networks without batch norms to fold. In bfloat16 the weights of matrix products and
// convolutions are converted once; norms, scales, positions and the sum that runs through the
// blocks stay float32, because a dozen blocks that each round it would lose a digit. In float16
// everything is converted. Immutable; thread-safe.
class FrozenCopy final : public FrozenBackbone {
 public:
  // Takes over `network`, which nobody else may hold, moves it to the device, and turns its
  // gradients off. options.layout is kContiguous or kChannelsLast.
  FrozenCopy(std::shared_ptr<Backbone> network, const FrozenOptions& options);

  FeatureMaps Forward(const torch::Tensor& images, bool want_before_last) const override;
  uint64_t bytes() const override;

 private:
  const TensorLayout layout_;
  const torch::ScalarType type_;
  const torch::Device device_;
  // Read-only after construction, although LibTorch's forward functions are not const.
  const std::shared_ptr<Backbone> network_;
};

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_FROZEN_COPY_H_
