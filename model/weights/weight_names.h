// Published weights under the names and in the shapes of our networks.
#ifndef S2P_MODEL_WEIGHTS_WEIGHT_NAMES_H_
#define S2P_MODEL_WEIGHTS_WEIGHT_NAMES_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "model/safetensors.h"
#include "model/weights/weight_schemes.h"

namespace s2p {

// The tensors of one backbone, by canonical name:
//
//   vision transformers   timm's names, with register_tokens [1, r, w] as in DINOv2, cls_token
//                         [1, 1, w], pos_embed [1, n, w], attn.qkv.* of queries, keys and values in
//                         this order; head.weight [d, w] is CLIP's projection
//   ConvNeXt              facebookresearch's names
//   ResNet, SE-ResNeXt    torchvision's names and those of the IHDA release
//
// Immutable.
class NamedWeights {
 public:
  // Recognises the scheme (weight_schemes.h) by the names that a file has. The prefixes "module.",
  // "base.", "model." and "state_dict.", which training programs add, are ignored; the text tower,
  // classifiers, mask tokens and an optimizer's state are dropped; types stay. InvalidArgument
  // listing the known schemes if the names follow none of them; naming the tensor if it has no
  // place in its scheme or another shape than it, if one of query, key and value is missing, or if
  // two have the same place.
  static absl::StatusOr<NamedWeights> Create(TensorMap published);

  const TensorMap& tensors() const { return tensors_; }
  // The name that the file has, or would have, for the tensor `canonical`. Three names with commas
  // where the file has query, key and value.
  std::string PublishedName(const std::string& canonical) const;

 private:
  NamedWeights(const WeightScheme& scheme, std::string prefix);
  absl::Status Add(const std::string& published, absl::string_view name, TensorBytes tensor);
  absl::Status Place(const std::string& published, const std::string& canonical,
                     TensorBytes tensor);
  absl::Status JoinParts();

  const WeightScheme* scheme_;
  // Stands before the network's names in the file.
  std::string prefix_;
  TensorMap tensors_;
  // The file's names by ours.
  std::map<std::string, std::string> published_;
  struct Part {
    std::string published;
    TensorBytes tensor;
  };
  // Queries, keys and values that wait for each other, by the name of the joined tensor.
  std::map<std::string, std::map<TensorForm, Part>> parts_;
};

}  // namespace s2p

#endif  // S2P_MODEL_WEIGHTS_WEIGHT_NAMES_H_
