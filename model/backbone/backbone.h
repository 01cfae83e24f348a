// Networks below the pooling: ResNets, ConvNeXt, vision transformers.
#ifndef S2P_MODEL_BACKBONE_BACKBONE_H_
#define S2P_MODEL_BACKBONE_BACKBONE_H_

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/backbone/feature_maps.h"
#include "model/backbone/frozen_backbone.h"
#include "model/backbone/sync_batch_norm.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// A network of a stem and four stages. Parameters carry the names of published weights: each
// network's header says whose. Thread-compatible.
class Backbone : public torch::nn::Module {
 public:
  // Input [n, 3, H, W] float32, normalised.
  virtual FeatureMaps Forward(const torch::Tensor& images) = 0;
  // The number of channels of FeatureMaps::last.
  virtual int channels() const = 0;
  // The stem, then each stage in order, as `frozen_stages` counts them. The last one includes the
  // layers after it.
  virtual std::vector<std::shared_ptr<torch::nn::Module>> Stages() = 0;
  // Makes the batch norms train on the statistics of all processes that `sum` adds up; borrowed,
  // null: of this one. Networks without batch norms have nothing to share.
  virtual void ShareStatistics(StatisticsSum* /*sum*/) {}
  // Whether Freeze can make a network with this layout on this device.
  virtual bool Supports(TensorLayout layout, torch::Device device) const = 0;
  // Copies the current weights into a network for inference. Requires Supports(options.layout,
  // options.device).
  virtual std::unique_ptr<const FrozenBackbone> Freeze(const FrozenOptions& options) const = 0;
};

// Initialises the weights as in the architecture's paper. InvalidArgument naming the field for an
// unknown arch, stage or stride, or a transformer that cannot be.
absl::StatusOr<std::shared_ptr<Backbone>> CreateBackbone(const v1::Backbone& spec);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_BACKBONE_H_
