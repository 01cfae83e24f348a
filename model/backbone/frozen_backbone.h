// Networks for inference only, and the memory layouts that they may compute in.
#ifndef S2P_MODEL_BACKBONE_FROZEN_BACKBONE_H_
#define S2P_MODEL_BACKBONE_FROZEN_BACKBONE_H_

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/backbone/feature_maps.h"

namespace s2p {

class Backbone;

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

struct FrozenOptions {
  TensorLayout layout = TensorLayout::kContiguous;
  // float32, bfloat16, or float16 on CUDA.
  torch::ScalarType type = torch::kFloat32;
  torch::Device device = torch::kCPU;
  // Size of the inputs in pixels, which a transformer prepares for; others cost it more time.
  int height = 0;
  int width = 0;
};

// A network in evaluation mode, as an encoder uses it. Immutable; thread-safe.
class FrozenBackbone {
 public:
  virtual ~FrozenBackbone() = default;

  // [n, 3, H, W] float32 on the device -> maps in float32; `before_last` is left undefined unless
  // it is wanted, since converting it from the layout may cost time. The caller must hold an
  // InferenceMode or NoGradGuard.
  virtual FeatureMaps Forward(const torch::Tensor& images, bool want_before_last) const = 0;
  // The size of the weights.
  virtual uint64_t bytes() const = 0;
};

// Returns the layout with that name, or for "auto" the fastest that the network supports on the
// device: each computes a single image, as for a lone search, and a small batch, a few times, in
// about a second on a CPU. `options.layout` is ignored. InvalidArgument for an unknown name, or a
// layout that is not supported for this network and device.
absl::StatusOr<TensorLayout> ChooseLayout(const Backbone& network, const std::string& name,
                                          FrozenOptions options);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_FROZEN_BACKBONE_H_
