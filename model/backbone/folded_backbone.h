// Residual networks for inference: batch norms folded into the convolutions.
#ifndef S2P_MODEL_BACKBONE_FOLDED_BACKBONE_H_
#define S2P_MODEL_BACKBONE_FOLDED_BACKBONE_H_

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "model/backbone/folded_convolution.h"
#include "model/backbone/frozen_backbone.h"

namespace s2p {

// y = relu(convolutions(x) [scaled by excitation] + (downsample(x) or x)).
struct FoldedBlock {
  std::vector<FoldedConvolution> convolutions;
  // The two layers of squeeze and excitation; empty if the block has none.
  std::vector<FoldedConvolution> excitation;
  std::optional<FoldedConvolution> downsample;
};

struct FoldedNetwork {
  FoldedConvolution stem;
  // The max pooling after the stem rounds up instead of padding.
  bool ceil_pool = false;
  std::vector<FoldedBlock> blocks;
  // The index of the first block of the last stage.
  size_t last_stage = 0;
};

// Immutable; thread-safe.
class FoldedBackbone final : public FrozenBackbone {
 public:
  // Whether this class, with this build of LibTorch, can compute a network, with or without squeeze
  // and excitation, in the layout.
  static bool Supports(bool has_excitation, TensorLayout layout, torch::Device device);

  // Copies the network to the device. Requires Supports.
  FoldedBackbone(const FoldedNetwork& network, const FrozenOptions& options);

  FeatureMaps Forward(const torch::Tensor& images, bool want_before_last) const override;
  uint64_t bytes() const override;

 private:
  FoldedConvolution Placed(const FoldedConvolution& convolution) const;
  torch::Tensor Convolve(const torch::Tensor& x, const FoldedConvolution& convolution) const;
  torch::Tensor Apply(const torch::Tensor& x, const FoldedBlock& block) const;
  // Converts from the layout to a plain float32 tensor.
  torch::Tensor Plain(const torch::Tensor& x) const;

  const TensorLayout layout_;
  const torch::ScalarType type_;
  const torch::Device device_;
  // Stored in the layout, on the device.
  FoldedNetwork network_;
};

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_FOLDED_BACKBONE_H_
