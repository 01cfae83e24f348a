#include "model/backbone_weights.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <exception>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "model/torch_tensors.h"
#include "model/torch_version.h"
#include "model/weights/weight_names.h"

namespace s2p {
namespace {

std::map<std::string, NetworkTensor> TensorsOf(
    const std::map<std::string, torch::Tensor>& tensors) {
  std::map<std::string, NetworkTensor> described;
  for (const auto& [name, tensor] : tensors) {
    described[name] = {TypeOf(tensor.scalar_type()), tensor.sizes().vec()};
  }
  return described;
}

}  // namespace

absl::Status LoadBackboneWeights(TensorMap weights, LaterStages later_stages,
                                 DualEncoder& encoder) {
  S2P_ASSIGN_OR_RETURN(const auto named, NamedWeights::Create(std::move(weights)));
  std::map<std::string, torch::Tensor> targets = NamedTensors(encoder.photo_backbone());
  S2P_ASSIGN_OR_RETURN(const auto matched, MatchWeights(named, TensorsOf(targets), later_stages));
  try {
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : targets) {
      const TensorBytes* bytes = matched.at(name);
      if (bytes == nullptr) {
        tensor.zero_();
      } else {
        tensor.copy_(ToTorch(*bytes));
      }
    }
    encoder.CopyPhotoEncoderToSketchEncoder();
  } catch (const std::exception& error) {
    return TorchError(error, "weights");
  }
  return absl::OkStatus();
}

}  // namespace s2p
