// The table of networks: names, and what is known of a network without building it.
#ifndef S2P_MODEL_BACKBONE_ARCHITECTURE_H_
#define S2P_MODEL_BACKBONE_ARCHITECTURE_H_

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

enum class ResidualBlock {
  // Two 3x3 convolutions.
  kBasic,
  // A 3x3 convolution, which has the stride, between two 1x1: torchvision's.
  kBottleneck,
  // The same with the stride in the first 1x1, and a max pool that rounds up instead of padding:
  // the Caffe models of He et al. (CVPR 2016).
  kCaffeBottleneck,
  // A bottleneck of 32 groups with squeeze and excitation; its max pool rounds up, too.
  kSqueezeExcitation
};

// ResNets; stage s has 64 << (s - 1) planes.
struct ResidualLayout {
  ResidualBlock block;
  // Blocks of each stage.
  std::array<int, 4> blocks;
};

// ConvNeXt (Liu et al., CVPR 2022).
struct ConvNextLayout {
  // Blocks and channels of each stage.
  std::array<int, 4> blocks;
  std::array<int, 4> channels;
};

// A value.
struct Architecture {
  std::variant<ResidualLayout, v1::VisionTransformer, ConvNextLayout> layout;
  // Channels after each stage.
  std::array<int, 4> channels;
  // Length of FeatureMaps::summary after stage 4; 0 if the network has none.
  int summary = 0;

  // `stage` is 1 to 4.
  int ChannelsAfter(int stage) const { return channels.at(stage - 1); }
  // ResNets alone have batch norms, and a stride that Backbone.last_stride chooses.
  bool IsResidual() const { return std::holds_alternative<ResidualLayout>(layout); }
};

// The names that Backbone.arch may have; the last one is "vit", a transformer of one's own.
std::vector<std::string> ArchitectureNames();

// The network with this name, or `transformer` if the name is "vit". InvalidArgument naming
// `backbone.arch` or the field of `backbone.transformer`.
absl::StatusOr<Architecture> FindArchitecture(const std::string& name,
                                              const v1::VisionTransformer& transformer);

// The same for a manifest's backbone; also InvalidArgument for a last_stage or last_stride that the
// network does not have, and for a `transformer` that its arch does not read.
absl::StatusOr<Architecture> ArchitectureOf(const v1::Backbone& backbone);

// Says in words what a side of the input must be, such as "a multiple of 16", for the network to
// `last_stage`. Empty if `pixels` is right.
std::string WrongSide(const Architecture& architecture, int last_stage, uint32_t pixels);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_ARCHITECTURE_H_
