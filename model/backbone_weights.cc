#include "model/backbone_weights.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <exception>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "model/torch_tensors.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

// `name` without the prefixes that a training program may have added.
absl::string_view StripPrefixes(absl::string_view name) {
  while (absl::ConsumePrefix(&name, "module.") || absl::ConsumePrefix(&name, "base.")) {
  }
  return name;
}

bool IsClassifier(absl::string_view name) {
  return absl::StartsWith(name, "fc.") || absl::StartsWith(name, "last_linear.");
}

bool IsCounter(absl::string_view name) { return absl::EndsWith(name, "num_batches_tracked"); }

// Pairs each tensor of the backbone with its bytes; null stands for a missing counter, which is 0.
absl::StatusOr<std::map<std::string, const TensorBytes*>> MatchBackbone(
    const TensorMap& weights, const std::map<std::string, torch::Tensor>& targets,
    LaterStages later_stages) {
  const bool ends_at_stage3 = targets.lower_bound("layer4.") == targets.lower_bound("layer4/");
  std::map<std::string, const TensorBytes*> matched;
  for (const auto& [full_name, bytes] : weights) {
    const std::string name(StripPrefixes(full_name));
    if (IsClassifier(name)) continue;
    if (ends_at_stage3 && absl::StartsWith(name, "layer4.")) {
      if (later_stages == LaterStages::kSkip) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor '", full_name,
          "': the network ends at layer3; set skip_unused_weights to skip later layers"));
    }
    const auto target = targets.find(name);
    if (target == targets.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor '", full_name, "': the network has none of this name"));
    }
    if (!SameShape(bytes, target->second) ||
        IsFloating(bytes.type) != target->second.is_floating_point()) {
      return absl::InvalidArgumentError(DescribeMismatch(full_name, bytes, target->second));
    }
    if (!matched.emplace(name, &bytes).second) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", full_name, "': appears twice"));
    }
  }
  for (const auto& [name, tensor] : targets) {
    if (matched.count(name) != 0) continue;
    if (!IsCounter(name)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor '", name, "': missing"));
    }
    matched.emplace(name, nullptr);
  }
  return matched;
}

}  // namespace

absl::Status LoadBackboneWeights(const TensorMap& weights, LaterStages later_stages,
                                 DualEncoder& encoder) {
  std::map<std::string, torch::Tensor> targets = NamedTensors(encoder.photo_backbone());
  S2P_ASSIGN_OR_RETURN(auto matched, MatchBackbone(weights, targets, later_stages));
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
