// The output of a backbone.
#ifndef S2P_MODEL_BACKBONE_FEATURE_MAPS_H_
#define S2P_MODEL_BACKBONE_FEATURE_MAPS_H_

#include <torch/types.h>

namespace s2p {

// The results of one forward pass; the network's last stage is 3 or 4. A transformer's maps are its
// patches' tokens, without class token and registers.
struct FeatureMaps {
  // [n, c', h', w']: the maps of the stage before the last, which in convolutional networks have
  // finer detail.
  torch::Tensor before_last;
  // [n, c, h, w]. After a transformer's stage 4, normalised by its last norm.
  torch::Tensor last;
  // [n, d]: the network's own pooled vector (POOLING_SUMMARY). Undefined for ResNets and without
  // stage 4.
  torch::Tensor summary;
};

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_FEATURE_MAPS_H_
