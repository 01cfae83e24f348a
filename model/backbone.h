// Convolutional networks below the pooling: ResNet-18/34/50 and SE-ResNeXt-50 32x4d.
#ifndef S2P_MODEL_BACKBONE_H_
#define S2P_MODEL_BACKBONE_H_

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/frozen_backbone.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// A network whose parameters carry torchvision's names (ResNets; He et al., CVPR 2016) or those of
// the IHDA release (SE-ResNeXt; Hu et al., CVPR 2018), so that published weights load by name.
// Thread-compatible.
class Backbone : public torch::nn::Module {
 public:
  // Input [n, 3, H, W] float32, normalised.
  virtual FeatureMaps Forward(const torch::Tensor& images) = 0;
  // The number of channels of FeatureMaps::last.
  virtual int channels() const = 0;
  // The stem, then each stage in order, as `frozen_stages` counts them.
  virtual std::vector<std::shared_ptr<torch::nn::Module>> Stages() = 0;
  // A copy of the current weights for evaluation mode, with batch norms folded.
  virtual FoldedNetwork Folded() const = 0;
};

// Initialises the weights as in the architecture's paper (He normal for convolutions).
// InvalidArgument naming the field for an unknown arch, stage or stride.
absl::StatusOr<std::shared_ptr<Backbone>> CreateBackbone(const v1::Backbone& spec);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_H_
