// A backbone for inference only: batch norms folded into the convolutions, in the fastest memory
// layout for the device.
#ifndef S2P_MODEL_FROZEN_BACKBONE_H_
#define S2P_MODEL_FROZEN_BACKBONE_H_

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/folded_convolution.h"

namespace s2p {

// The feature maps of one forward pass; the network's last stage is 3 or 4.
struct FeatureMaps {
  // [n, c / 2, h', w']: the maps of the stage before the last, which have finer detail.
  torch::Tensor before_last;
  // [n, c, h, w].
  torch::Tensor last;
};

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

enum class TensorLayout {
  // NCHW.
  kContiguous,
  kChannelsLast,
  // oneDNN's own layout, blocked for the processor's vectors, in every layer; CPU only.
  kOneDnn
};

// "contiguous", "channels_last", "onednn".
absl::string_view NameOf(TensorLayout layout);
std::optional<TensorLayout> LayoutOf(absl::string_view name);

// Immutable; thread-safe.
class FrozenBackbone {
 public:
  // Whether this class, with this build of LibTorch, can compute the network in the layout.
  static bool Supports(const FoldedNetwork& network, TensorLayout layout, torch::Device device);

  // Copies the network to `device`. `type` is float32, or float16 on CUDA. Requires Supports.
  FrozenBackbone(const FoldedNetwork& network, TensorLayout layout, torch::ScalarType type,
                 torch::Device device);

  TensorLayout layout() const { return layout_; }
  // [n, 3, H, W] float32 on the device -> maps in float32; `before_last` is left undefined unless
  // it is wanted, since converting it from the layout may cost time. The caller must hold an
  // InferenceMode or NoGradGuard.
  FeatureMaps Forward(const torch::Tensor& images, bool want_before_last) const;
  // The size of the weights.
  uint64_t bytes() const;

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

// Returns the layout with that name, or for "auto" the fastest on the device: each supported layout
// computes a single image, as for a lone search, and a small batch, a few times. Takes about a
// second on a CPU. InvalidArgument for an unknown name, or a layout that is not supported for this
// network and device.
absl::StatusOr<TensorLayout> ChooseLayout(const FoldedNetwork& network, const std::string& name,
                                          torch::ScalarType type, int height, int width,
                                          torch::Device device);

}  // namespace s2p

#endif  // S2P_MODEL_FROZEN_BACKBONE_H_
