// The names and shapes that transformers' parameters have in their published files, under which the
// golden rule fills them.
#ifndef S2P_TESTS_MODEL_BACKBONE_PUBLISHED_NAMES_H_
#define S2P_TESTS_MODEL_BACKBONE_PUBLISHED_NAMES_H_

#include <torch/nn/module.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"
#include "model/torch_tensors.h"
#include "tests/model/golden_weights.h"

namespace s2p::test {

// kOwn: files that have our names.
enum class Publisher { kOwn, kClip, kTorchvision };

inline std::string PublishedName(Publisher publisher, const std::string& name) {
  if (publisher == Publisher::kClip) {
    return absl::StrReplaceAll(name, {{"cls_token", "class_embedding"},
                                      {"pos_embed", "positional_embedding"},
                                      {"head.weight", "proj"},
                                      {"patch_embed.proj", "conv1"},
                                      {"norm_pre", "ln_pre"},
                                      {"blocks.", "transformer.resblocks."},
                                      {"norm1", "ln_1"},
                                      {"norm2", "ln_2"},
                                      {"attn.qkv.", "attn.in_proj_"},
                                      {"attn.proj", "attn.out_proj"},
                                      {"mlp.fc1", "mlp.c_fc"},
                                      {"mlp.fc2", "mlp.c_proj"},
                                      {"norm.", "ln_post."}});
  }
  if (publisher == Publisher::kTorchvision) {
    return absl::StrReplaceAll(name, {{"cls_token", "class_token"},
                                      {"pos_embed", "encoder.pos_embedding"},
                                      {"patch_embed.proj", "conv_proj"},
                                      {"blocks.", "encoder.layers.encoder_layer_"},
                                      {"norm1", "ln_1"},
                                      {"norm2", "ln_2"},
                                      {"attn.qkv.", "self_attention.in_proj_"},
                                      {"attn.proj", "self_attention.out_proj"},
                                      {"mlp.fc1", "mlp.0"},
                                      {"mlp.fc2", "mlp.3"},
                                      {"norm.", "encoder.ln."}});
  }
  return name;
}

// Our tensor, or its gradient, in the form of the file.
inline torch::Tensor PublishedForm(Publisher publisher, const std::string& name,
                                   const torch::Tensor& tensor) {
  if (publisher != Publisher::kClip) return tensor;
  if (name == "cls_token") return tensor.flatten();
  if (name == "pos_embed") return tensor.squeeze(0);
  return name == "head.weight" ? tensor.t() : tensor;
}

// All tensors by their published names.
inline std::map<std::string, torch::Tensor> PublishedTensors(Publisher publisher,
                                                             const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> published;
  for (const auto& [name, tensor] : NamedTensors(module)) {
    published[PublishedName(publisher, name)] = PublishedForm(publisher, name, tensor);
  }
  return published;
}

// Fills a module as the reference program's was filled.
inline void FillAsPublished(Publisher publisher, const torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : PublishedTensors(publisher, module)) {
    // A view of the parameter in the file's form.
    tensor.copy_(GoldenTensor(name, tensor));
  }
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_BACKBONE_PUBLISHED_NAMES_H_
