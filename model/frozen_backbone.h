// A backbone for inference alone: batch norms folded into the convolutions, in the memory layout
// that the device likes best.
#ifndef S2P_MODEL_FROZEN_BACKBONE_H_
#define S2P_MODEL_FROZEN_BACKBONE_H_

#include <torch/torch.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// The feature maps of one forward pass; the network's last stage is 3 or 4.
struct FeatureMaps {
  // [n, c / 2, h', w']: those of the stage before the last, which see finer.
  torch::Tensor before_last;
  // [n, c, h, w].
  torch::Tensor last;
};

// A convolution and the batch norm behind it, in evaluation mode, as one convolution.
struct FoldedConvolution {
  // [out, in / groups, k, k] and [out].
  torch::Tensor weight;
  torch::Tensor bias;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
};

// W' = W g / sqrt(v + eps), b' = (b_conv - m) g / sqrt(v + eps) + b, computed in double; `norm` has
// weight g, bias b, running mean m and variance v.
FoldedConvolution FoldBatchNorm(const torch::nn::Conv2d& convolution,
                                const torch::nn::BatchNorm2d& norm);
// A convolution without a batch norm.
FoldedConvolution Unfolded(const torch::nn::Conv2d& convolution);

// y = relu(convolutions(x) [scaled by excitation] + (downsample(x) or x)).
struct FoldedBlock {
  std::vector<FoldedConvolution> convolutions;
  // Squeeze and excitation: both layers, or none.
  std::vector<FoldedConvolution> excitation;
  std::optional<FoldedConvolution> downsample;
};

struct FoldedNetwork {
  FoldedConvolution stem;
  // The max pooling behind the stem rounds up instead of padding.
  bool ceil_pool = false;
  std::vector<FoldedBlock> blocks;
  // The number of the block that the last stage begins with.
  size_t last_stage = 0;
};

enum class TensorLayout {
  // NCHW.
  kContiguous,
  kChannelsLast,
  // oneDNN's own, blocked for the processor's vectors, from the first layer to the last; CPU only.
  kOneDnn
};

// "contiguous", "channels_last", "onednn".
absl::string_view NameOf(TensorLayout layout);
std::optional<TensorLayout> LayoutOf(absl::string_view name);

// Immutable; thread-safe.
class FrozenBackbone {
 public:
  // Whether this build of LibTorch, and this file, can compute the network in the layout.
  static bool Supports(const FoldedNetwork& network, TensorLayout layout, torch::Device device);

  // Copies what it needs to `device`. `type`: float32, or float16 on CUDA. Requires Supports.
  FrozenBackbone(const FoldedNetwork& network, TensorLayout layout, torch::ScalarType type,
                 torch::Device device);

  TensorLayout layout() const { return layout_; }
  // [n, 3, H, W] float32 on the device -> maps in float32; `before_last` is left undefined unless
  // it is wanted, since it may have to be brought out of the layout. The caller has an
  // InferenceMode or NoGradGuard.
  FeatureMaps Forward(const torch::Tensor& images, bool want_before_last) const;
  // Of the weights.
  uint64_t bytes() const;

 private:
  FoldedConvolution Placed(const FoldedConvolution& convolution) const;
  torch::Tensor Convolve(const torch::Tensor& x, const FoldedConvolution& convolution) const;
  torch::Tensor Apply(const torch::Tensor& x, const FoldedBlock& block) const;
  // From the layout to a plain tensor of float32.
  torch::Tensor Plain(const torch::Tensor& x) const;

  const TensorLayout layout_;
  const torch::ScalarType type_;
  const torch::Device device_;
  // In the layout and on the device.
  FoldedNetwork network_;
};

// The layout of that name, or, for "auto", the one in which the device is fastest: each that it has
// computes one image, as a lone search has, and a small batch, a few times. About a second on a
// CPU. InvalidArgument for a name that is unknown, or a layout that the network cannot have there.
absl::StatusOr<TensorLayout> ChooseLayout(const FoldedNetwork& network, const std::string& name,
                                          torch::ScalarType type, int height, int width,
                                          torch::Device device);

}  // namespace s2p

#endif  // S2P_MODEL_FROZEN_BACKBONE_H_
