// Pretrained backbones of other programs.
#ifndef S2P_MODEL_BACKBONE_WEIGHTS_H_
#define S2P_MODEL_BACKBONE_WEIGHTS_H_

#include "absl/status/status.h"
#include "model/dual_encoder.h"
#include "model/safetensors.h"

namespace s2p {

// What becomes of entries of stages behind the last one that the encoder's backbone has.
enum class LaterStages {
  // They are surplus.
  kRefuse,
  // They are left out.
  kSkip
};

// Loads a pretrained backbone (torchvision's or the release's names, with or without the prefixes
// "module." and "base.") into both encoders. Classifier entries (fc.*, last_linear.*) are skipped;
// a missing "num_batches_tracked" is 0. InvalidArgument naming the first key that is missing,
// surplus or of another shape: nothing is changed then. What LibTorch throws, as TorchError has it:
// some weights may be replaced then.
absl::Status LoadBackboneWeights(const TensorMap& weights, LaterStages later_stages,
                                 DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_WEIGHTS_H_
