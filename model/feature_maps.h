// What a backbone computes.
#ifndef S2P_MODEL_FEATURE_MAPS_H_
#define S2P_MODEL_FEATURE_MAPS_H_

#include <torch/torch.h>

namespace s2p {

// The feature maps of one forward pass; the network's last stage is 3 or 4.
struct FeatureMaps {
  // [n, c', h', w']: those of the stage before the last, which have half the channels and see
  // finer.
  torch::Tensor before_last;
  // [n, c, h, w].
  torch::Tensor last;
};

}  // namespace s2p

#endif  // S2P_MODEL_FEATURE_MAPS_H_
