// Which published tensor fills which tensor of a network.
#ifndef S2P_MODEL_WEIGHTS_WEIGHT_MATCH_H_
#define S2P_MODEL_WEIGHTS_WEIGHT_MATCH_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/safetensors.h"
#include "model/weights/weight_names.h"

namespace s2p {

// How to treat entries for stages or blocks after the last one of the network, and for what follows
// the last one: the final norm, a projection, an attention pool.
enum class LaterStages {
  // They count as surplus.
  kRefuse,
  // They are skipped.
  kSkip
};

// A tensor of the network. A value.
struct NetworkTensor {
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;
};

// The bytes for each tensor of `network`, which live as long as `weights`; null stands for a
// missing "num_batches_tracked", which is 0. A tensor that the network has is never skipped. One
// floating-point type may stand for another. InvalidArgument naming the first tensor, as the file
// calls it, that is missing, surplus, or of another shape or kind.
absl::StatusOr<std::map<std::string, const TensorBytes*>> MatchWeights(
    const NamedWeights& weights, const std::map<std::string, NetworkTensor>& network,
    LaterStages later_stages);

}  // namespace s2p

#endif  // S2P_MODEL_WEIGHTS_WEIGHT_MATCH_H_
