// ResNet-18/34/50, Caffe's ResNet-50 and SE-ResNeXt-50 32x4d.
#ifndef S2P_MODEL_BACKBONE_RESIDUAL_NETWORK_H_
#define S2P_MODEL_BACKBONE_RESIDUAL_NETWORK_H_

#include <memory>

#include "model/backbone/architecture.h"
#include "model/backbone/backbone.h"

namespace s2p {

// Parameters carry torchvision's names (ResNets; He et al., CVPR 2016) or those of the IHDA release
// (SE-ResNeXt; Hu et al., CVPR 2018). Weights begin He normal. `last_stage` is 3 or 4;
// `last_stride`, 1 or 2, is the stride of stage 4. Exceptions of LibTorch pass through.
std::shared_ptr<Backbone> CreateResidualNetwork(const ResidualLayout& layout, int last_stage,
                                                int last_stride);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_RESIDUAL_NETWORK_H_
