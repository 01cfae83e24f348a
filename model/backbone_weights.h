// Loads pretrained backbones that other programs wrote.
#ifndef S2P_MODEL_BACKBONE_WEIGHTS_H_
#define S2P_MODEL_BACKBONE_WEIGHTS_H_

#include "absl/status/status.h"
#include "model/dual_encoder.h"
#include "model/safetensors.h"
#include "model/weights/weight_match.h"

namespace s2p {

// Loads a pretrained backbone, under the names of one of the programs that publish such weights
// (model/weights/weight_names.h), into both encoders. Values of another floating-point type are
// converted; a missing "num_batches_tracked" is 0. InvalidArgument for names of no known scheme, or
// naming the first tensor, as the file calls it, that is missing, surplus or of another shape;
// nothing is changed then. Exceptions from LibTorch become a TorchError; some weights may have been
// replaced by then.
absl::Status LoadBackboneWeights(TensorMap weights, LaterStages later_stages, DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_WEIGHTS_H_
