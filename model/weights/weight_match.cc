#include "model/weights/weight_match.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

using Network = std::map<std::string, NetworkTensor>;

constexpr int kAfterAll = std::numeric_limits<int>::max();

bool IsCounter(absl::string_view name) { return absl::EndsWith(name, "num_batches_tracked"); }

// Where in a network a tensor is.
struct Depth {
  // The number of the stage or block; kAfterAll behind the last one; -1 elsewhere.
  int number = -1;
  // "layer3", "blocks.11".
  std::string name;
};

Depth DepthOf(absl::string_view name) {
  for (const absl::string_view end : {"norm.", "head.", "attn_pool."}) {
    if (absl::StartsWith(name, end)) return {kAfterAll, ""};
  }
  for (const absl::string_view part : {"layer", "blocks.", "stages.", "downsample_layers."}) {
    absl::string_view rest = name;
    int number = 0;
    if (!absl::ConsumePrefix(&rest, part)) continue;
    const absl::string_view digits = rest.substr(0, rest.find('.'));
    if (!absl::SimpleAtoi(digits, &number) || number < 0) continue;
    return {number, absl::StrCat(part, digits)};
  }
  return {};
}

// The last stage or block.
Depth EndOf(const Network& network) {
  Depth end;
  for (const auto& [name, tensor] : network) {
    const Depth depth = DepthOf(name);
    if (depth.number != kAfterAll && depth.number >= end.number) end = depth;
  }
  return end;
}

bool IsFloating(TensorType type) {
  return type == TensorType::kF64 || type == TensorType::kF32 || type == TensorType::kF16 ||
         type == TensorType::kBF16;
}

std::string Described(TensorType type, const std::vector<int64_t>& shape) {
  return absl::StrCat(NameOf(type), " [", absl::StrJoin(shape, ", "), "]");
}

absl::Status Invalid(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("tensor '", absl::Utf8SafeCEscape(name), "': ", what));
}

// Ok if the tensor is to be left out.
absl::Status CheckSurplus(const NamedWeights& weights, const std::string& name, const Depth& end,
                          LaterStages later_stages) {
  if (DepthOf(name).number <= end.number) {
    return Invalid(weights.PublishedName(name), "the network has none of this name");
  }
  if (later_stages == LaterStages::kSkip) return absl::OkStatus();
  return Invalid(weights.PublishedName(name),
                 absl::StrCat("the network ends at ", end.name,
                              "; set skip_unused_weights to skip what follows it"));
}

absl::Status CheckShape(const NamedWeights& weights, const std::string& name,
                        const NetworkTensor& want) {
  const TensorBytes& got = weights.tensors().at(name);
  if (got.shape == want.shape && IsFloating(got.type) == IsFloating(want.type)) {
    return absl::OkStatus();
  }
  const std::string published = weights.PublishedName(name);
  // The shape is that under our name.
  return Invalid(published,
                 absl::StrCat(Described(got.type, got.shape), ", but the network has ",
                              Described(want.type, want.shape),
                              published == name ? "" : absl::StrCat(" in '", name, "'")));
}

}  // namespace

absl::StatusOr<std::map<std::string, const TensorBytes*>> MatchWeights(const NamedWeights& weights,
                                                                       const Network& network,
                                                                       LaterStages later_stages) {
  const Depth end = EndOf(network);
  std::map<std::string, const TensorBytes*> matched;
  for (const auto& [name, bytes] : weights.tensors()) {
    const auto target = network.find(name);
    if (target == network.end()) {
      S2P_RETURN_IF_ERROR(CheckSurplus(weights, name, end, later_stages));
      continue;
    }
    S2P_RETURN_IF_ERROR(CheckShape(weights, name, target->second));
    matched.emplace(name, &bytes);
  }
  for (const auto& [name, tensor] : network) {
    if (matched.count(name) != 0) continue;
    if (!IsCounter(name)) return Invalid(weights.PublishedName(name), "missing");
    matched.emplace(name, nullptr);
  }
  return matched;
}

}  // namespace s2p
