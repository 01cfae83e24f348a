// Loads pretrained backbones that other programs wrote.
#ifndef S2P_MODEL_BACKBONE_WEIGHTS_H_
#define S2P_MODEL_BACKBONE_WEIGHTS_H_

#include "absl/status/status.h"
#include "model/dual_encoder.h"
#include "model/safetensors.h"

namespace s2p {

// How to treat entries for stages after the last one of the encoder's backbone.
enum class LaterStages {
  // They count as surplus.
  kRefuse,
  // They are skipped.
  kSkip
};

// Loads a pretrained backbone (torchvision's or the release's names, with or without the prefixes
// "module." and "base.") into both encoders. Classifier entries (fc.*, last_linear.*) are skipped;
// a missing "num_batches_tracked" is 0. InvalidArgument naming the first key that is missing,
// surplus or of another shape; nothing is changed then. Exceptions from LibTorch become a
// TorchError; some weights may have been replaced by then.
absl::Status LoadBackboneWeights(const TensorMap& weights, LaterStages later_stages,
                                 DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_WEIGHTS_H_
