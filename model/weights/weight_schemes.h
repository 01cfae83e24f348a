// The naming schemes of published weights, and how each maps to the names of our networks.
#ifndef S2P_MODEL_WEIGHTS_WEIGHT_SCHEMES_H_
#define S2P_MODEL_WEIGHTS_WEIGHT_SCHEMES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

// The change of a tensor's form when it is renamed.
enum class TensorForm {
  kSame,
  // [w], [n, w] or [1, n, w] becomes [1, n, w].
  kTokens,
  // As kTokens; then a row of zeros is put in front. timm's networks with registers have added the
  // position of the class token to the token itself, and their table begins with the first patch.
  kPatchTokens,
  // Dimensions of 1 are dropped: [c, 1, 1] becomes [c].
  kVector,
  // [a, b] becomes [b, a].
  kTransposed,
  // One of three tensors that are joined along the first dimension, in this order.
  kQuery,
  kKey,
  kValue,
  // The first third along the first dimension; later rules see the tensor too.
  kFirstThird,
  kLastTwoThirds,
  // Dropped; must be 0, because the network has no such bias.
  kZero,
};

// Names are patterns: "#" stands for a number, and "*" at the end for the rest of a name.
struct NameRule {
  std::string published;
  // Empty: the tensor is dropped.
  std::string canonical;
  TensorForm form = TensorForm::kSame;
};

struct WeightScheme {
  // For messages.
  absl::string_view name;
  // The networks within a file: the names of one begin with the first of these with which the mark
  // is there. Names that do not begin with it belong to other networks.
  std::vector<std::string> roots;
  // A name, without its root, that tells this scheme from the later ones.
  absl::string_view mark;
  // The first rule that fits decides.
  std::vector<NameRule> rules;
};

// In the order in which they are tried. The sources are openai/CLIP, mlfoundations/open_clip,
// facebookresearch/dinov2 and ConvNeXt, timm, torchvision, and the conversion scripts in Hugging
// Face's transformers. Lives as long as the program.
const std::vector<WeightScheme>& WeightSchemes();

// `name` after the change of the pattern `from` to `to`; nothing if it does not match.
std::optional<std::string> Rewritten(absl::string_view name, absl::string_view from,
                                     absl::string_view to);

}  // namespace s2p

#endif  // S2P_MODEL_WEIGHTS_WEIGHT_SCHEMES_H_
