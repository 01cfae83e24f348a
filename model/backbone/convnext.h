// ConvNeXt (Liu et al., CVPR 2022).
#ifndef S2P_MODEL_BACKBONE_CONVNEXT_H_
#define S2P_MODEL_BACKBONE_CONVNEXT_H_

#include <memory>

#include "model/backbone/architecture.h"
#include "model/backbone/backbone.h"

namespace s2p {

// Parameters carry the names of facebookresearch/ConvNeXt, without `head`. The last norm is that of
// the summary; `last` is the output of the last stage itself. There is no stochastic depth.
// `last_stage` is 3 or 4. Exceptions of LibTorch pass through.
std::shared_ptr<Backbone> CreateConvNext(const ConvNextLayout& layout, int last_stage);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_CONVNEXT_H_
