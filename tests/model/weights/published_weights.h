// Files of published weights as other programs write them, for tests: small networks whose values
// tell the name and the place of each.
#ifndef S2P_TESTS_MODEL_WEIGHTS_PUBLISHED_WEIGHTS_H_
#define S2P_TESTS_MODEL_WEIGHTS_PUBLISHED_WEIGHTS_H_

#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "model/safetensors.h"
#include "tests/testing/golden_rule.h"

namespace s2p::test {

using Shape = std::vector<int64_t>;
using Shapes = std::map<std::string, Shape>;
using Replacements = std::vector<std::pair<absl::string_view, absl::string_view>>;

inline size_t CountOf(const Shape& shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
}

// The parts that only some vision transformers have.
struct Parts {
  bool class_token = true;
  int registers = 0;
  bool norm_pre = false;
  bool patch_bias = true;
  bool layer_scale = false;
  bool projection = false;
  bool attention_pool = false;
};

inline constexpr Parts kClip = {true, 0, true, false, false, true, false};
inline constexpr Parts kDinov2 = {true, 0, false, true, true, false, false};
inline constexpr Parts kDinov2Registers = {true, 2, false, true, true, false, false};
inline constexpr Parts kSiglip = {false, 0, false, true, false, false, true};
inline constexpr Parts kPlain = {};

struct Size {
  int64_t width;
  int64_t depth;
  int64_t patch;
  int64_t patches;
  int64_t output;
};
inline constexpr Size kSmall = {6, 2, 2, 4, 5};

inline void AddLayer(const std::string& name, Shape weight, bool bias, Shapes& shapes) {
  if (bias) shapes[name + ".bias"] = {weight[0]};
  shapes[name + ".weight"] = std::move(weight);
}

inline void AddMlp(const std::string& name, int64_t w, Shapes& shapes) {
  AddLayer(name + ".fc1", {4 * w, w}, true, shapes);
  AddLayer(name + ".fc2", {w, 4 * w}, true, shapes);
}

// The canonical names and shapes of a vision transformer.
inline Shapes VisionTransformer(const Parts& parts, const Size& size) {
  const int64_t w = size.width;
  Shapes shapes;
  if (parts.class_token) shapes["cls_token"] = {1, 1, w};
  shapes["pos_embed"] = {1, size.patches + (parts.class_token ? 1 : 0), w};
  if (parts.registers > 0) shapes["register_tokens"] = {1, parts.registers, w};
  AddLayer("patch_embed.proj", {w, 3, size.patch, size.patch}, parts.patch_bias, shapes);
  if (parts.norm_pre) AddLayer("norm_pre", {w}, true, shapes);
  for (int64_t n = 0; n < size.depth; ++n) {
    const std::string block = absl::StrCat("blocks.", n, ".");
    AddLayer(block + "norm1", {w}, true, shapes);
    AddLayer(block + "attn.qkv", {3 * w, w}, true, shapes);
    AddLayer(block + "attn.proj", {w, w}, true, shapes);
    AddLayer(block + "norm2", {w}, true, shapes);
    AddMlp(block + "mlp", w, shapes);
    if (!parts.layer_scale) continue;
    shapes[block + "ls1.gamma"] = {w};
    shapes[block + "ls2.gamma"] = {w};
  }
  AddLayer("norm", {w}, true, shapes);
  if (parts.projection) shapes["head.weight"] = {size.output, w};
  if (!parts.attention_pool) return shapes;
  shapes["attn_pool.latent"] = {1, 1, w};
  AddLayer("attn_pool.q", {w, w}, true, shapes);
  AddLayer("attn_pool.kv", {2 * w, w}, true, shapes);
  AddLayer("attn_pool.proj", {w, w}, true, shapes);
  AddLayer("attn_pool.norm", {w}, true, shapes);
  AddMlp("attn_pool.mlp", w, shapes);
  return shapes;
}

inline Shapes ConvNext(const std::vector<int64_t>& depths, const std::vector<int64_t>& widths) {
  Shapes shapes;
  for (size_t s = 0; s < depths.size(); ++s) {
    const std::string down = absl::StrCat("downsample_layers.", s), stage = "stages.";
    const int64_t w = widths[s];
    if (s == 0) {
      AddLayer(down + ".0", {w, 3, 4, 4}, true, shapes);
      AddLayer(down + ".1", {w}, true, shapes);
    } else {
      AddLayer(down + ".0", {widths[s - 1]}, true, shapes);
      AddLayer(down + ".1", {w, widths[s - 1], 2, 2}, true, shapes);
    }
    for (int64_t n = 0; n < depths[s]; ++n) {
      const std::string block = absl::StrCat(stage, s, ".", n, ".");
      shapes[block + "gamma"] = {w};
      AddLayer(block + "dwconv", {w, 1, 7, 7}, true, shapes);
      AddLayer(block + "norm", {w}, true, shapes);
      AddLayer(block + "pwconv1", {4 * w, w}, true, shapes);
      AddLayer(block + "pwconv2", {w, 4 * w}, true, shapes);
    }
  }
  AddLayer("norm", {widths.back()}, true, shapes);
  return shapes;
}

// Values that tell the name and the place.
inline TensorMap Filled(const Shapes& shapes) {
  TensorMap tensors;
  for (const auto& [name, shape] : shapes) {
    TensorBytes& tensor = tensors[name];
    tensor.shape = shape;
    tensor.bytes.resize(CountOf(shape) * sizeof(float));
    FillByGoldenRule(name, tensor);
  }
  return tensors;
}

inline TensorBytes Surplus() { return {TensorType::kF32, {1}, "abcd"}; }

// The rows [first, first + count) of n that a tensor has.
inline TensorBytes Rows(const TensorBytes& tensor, int64_t first, int64_t count) {
  TensorBytes rows = tensor;
  const size_t row = tensor.bytes.size() / static_cast<size_t>(tensor.shape[0]);
  rows.shape[0] = count;
  rows.bytes =
      tensor.bytes.substr(static_cast<size_t>(first) * row, static_cast<size_t>(count) * row);
  return rows;
}

inline TensorBytes Transposed(const TensorBytes& tensor) {
  TensorBytes result = tensor;
  std::swap(result.shape[0], result.shape[1]);
  const int64_t rows = tensor.shape[0], columns = tensor.shape[1];
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      std::memcpy(&result.bytes[static_cast<size_t>(j * rows + i) * 4],
                  &tensor.bytes[static_cast<size_t>(i * columns + j) * 4], 4);
    }
  }
  return result;
}

inline TensorMap Renamed(const TensorMap& tensors, const Replacements& replacements,
                         const std::string& prefix = "") {
  TensorMap renamed;
  for (const auto& [name, tensor] : tensors) {
    renamed[prefix + absl::StrReplaceAll(name, replacements)] = tensor;
  }
  return renamed;
}

// Replaces the tensors whose names contain `from` by three with its thirds.
inline void SplitThirds(const std::string& from, const std::vector<std::string>& to,
                        TensorMap& tensors) {
  TensorMap split;
  for (const auto& [name, tensor] : tensors) {
    if (!absl::StrContains(name, from)) {
      split[name] = tensor;
      continue;
    }
    const int64_t third = tensor.shape[0] / 3;
    for (int64_t i = 0; i < 3; ++i) {
      split[absl::StrReplaceAll(name, {{from, to[static_cast<size_t>(i)]}})] =
          Rows(tensor, i * third, third);
    }
  }
  tensors = std::move(split);
}

inline void Reshape(const std::string& name, Shape shape, TensorMap& tensors) {
  tensors.at(name).shape = std::move(shape);
}

// OpenAI's visual network.
inline TensorMap OpenAi(const std::string& prefix) {
  TensorMap tensors = Filled(VisionTransformer(kClip, kSmall));
  tensors["head.weight"] = Transposed(tensors.at("head.weight"));
  Reshape("cls_token", {6}, tensors);
  Reshape("pos_embed", {5, 6}, tensors);
  return Renamed(tensors,
                 {{"cls_token", "class_embedding"},
                  {"pos_embed", "positional_embedding"},
                  {"patch_embed.proj", "conv1"},
                  {"norm_pre", "ln_pre"},
                  {"blocks", "transformer.resblocks"},
                  {".norm1", ".ln_1"},
                  {".norm2", ".ln_2"},
                  {".qkv.", ".in_proj_"},
                  {".attn.proj", ".attn.out_proj"},
                  {".fc1", ".c_fc"},
                  {".fc2", ".c_proj"},
                  {"norm.", "ln_post."},
                  {"head.weight", "proj"}},
                 prefix);
}

inline TensorMap OpenAiFile() {
  TensorMap file = OpenAi("visual.");
  for (const char* name :
       {"transformer.resblocks.0.ln_1.weight", "positional_embedding", "token_embedding.weight",
        "ln_final.weight", "text_projection", "logit_scale", "input_resolution"}) {
    file[name] = Surplus();
  }
  return file;
}

inline const Replacements& HuggingFaceLayers() {
  static const auto& names =
      *new Replacements{{"pos_embed", "vision_model.embeddings.position_embedding.weight"},
                        {"patch_embed.proj", "vision_model.embeddings.patch_embedding"},
                        {"blocks", "vision_model.encoder.layers"},
                        {".norm1", ".layer_norm1"},
                        {".norm2", ".layer_norm2"},
                        {".attn.proj", ".self_attn.out_proj"},
                        {".attn.", ".self_attn."},
                        {"norm.", "vision_model.post_layernorm."}};
  return names;
}

inline TensorMap HuggingFaceClip() {
  TensorMap tensors = Filled(VisionTransformer(kClip, kSmall));
  Reshape("cls_token", {6}, tensors);
  Reshape("pos_embed", {5, 6}, tensors);
  SplitThirds("qkv", {"q_proj", "k_proj", "v_proj"}, tensors);
  Replacements names = HuggingFaceLayers();
  names.push_back({"cls_token", "vision_model.embeddings.class_embedding"});
  names.push_back({"norm_pre", "vision_model.pre_layrnorm"});
  names.push_back({"head.weight", "visual_projection.weight"});
  tensors = Renamed(tensors, names);
  tensors["text_model.encoder.layers.0.layer_norm1.weight"] = Surplus();
  tensors["text_projection.weight"] = tensors["logit_scale"] = Surplus();
  tensors["vision_model.embeddings.position_ids"] = {TensorType::kI64, {1}, "12345678"};
  return tensors;
}

inline TensorMap HuggingFaceSiglip() {
  TensorMap tensors = Filled(VisionTransformer(kSiglip, kSmall));
  for (const std::string kind : {"weight", "bias"}) {
    const auto q = tensors.extract("attn_pool.q." + kind);
    const auto kv = tensors.extract("attn_pool.kv." + kind);
    TensorBytes& joined = tensors["vision_model.head.attention.in_proj_" + kind] = q.mapped();
    joined.shape[0] = 18;
    joined.bytes += kv.mapped().bytes;
  }
  Reshape("pos_embed", {4, 6}, tensors);
  SplitThirds(".attn.qkv", {".attn.q_proj", ".attn.k_proj", ".attn.v_proj"}, tensors);
  Replacements names = HuggingFaceLayers();
  names.push_back({"attn_pool.latent", "vision_model.head.probe"});
  names.push_back({"attn_pool.proj", "vision_model.head.attention.out_proj"});
  names.push_back({"attn_pool.norm.", "vision_model.head.layernorm."});
  names.push_back({"attn_pool.mlp", "vision_model.head.mlp"});
  tensors = Renamed(tensors, names);
  tensors["text_model.head.weight"] = tensors["logit_bias"] = Surplus();
  return tensors;
}

inline TensorMap HuggingFaceDinov2(const Parts& parts, const std::string& prefix) {
  TensorMap tensors = Filled(VisionTransformer(parts, kSmall));
  SplitThirds(".attn.qkv", {".a.query", ".a.key", ".a.value"}, tensors);
  tensors = Renamed(tensors,
                    {{"cls_token", "embeddings.cls_token"},
                     {"pos_embed", "embeddings.position_embeddings"},
                     {"register_tokens", "embeddings.register_tokens"},
                     {"patch_embed.proj", "embeddings.patch_embeddings.projection"},
                     {"blocks", "encoder.layer"},
                     {".a.", ".attention.attention."},
                     {".attn.proj", ".attention.output.dense"},
                     {"ls1.gamma", "layer_scale1.lambda1"},
                     {"ls2.gamma", "layer_scale2.lambda1"},
                     {"norm.", "layernorm."}},
                    prefix);
  tensors[prefix + "embeddings.mask_token"] = Surplus();
  tensors["classifier.weight"] = Surplus();
  return tensors;
}

inline TensorMap TorchvisionVit(const std::string& fc1, const std::string& fc2) {
  TensorMap tensors = Renamed(Filled(VisionTransformer(kPlain, kSmall)),
                              {{"cls_token", "class_token"},
                               {"pos_embed", "encoder.pos_embedding"},
                               {"patch_embed.proj", "conv_proj"},
                               {"blocks.", "encoder.layers.encoder_layer_"},
                               {".norm1", ".ln_1"},
                               {".norm2", ".ln_2"},
                               {".attn.qkv.", ".self_attention.in_proj_"},
                               {".attn.proj", ".self_attention.out_proj"},
                               {".fc1", fc1},
                               {".fc2", fc2},
                               {"norm.", "encoder.ln."}});
  tensors["heads.head.weight"] = Surplus();
  return tensors;
}

// As timm saves DINOv2 with registers: the class token's position has been added to the token.
inline TensorMap TimmRegisters() {
  TensorMap tensors = Filled(VisionTransformer(kDinov2Registers, kSmall));
  TensorBytes& table = tensors.at("pos_embed");
  table.shape = {1, 4, 6};
  table.bytes.erase(0, 6 * sizeof(float));
  return Renamed(tensors, {{"register_tokens", "reg_token"}});
}

inline TensorMap TimmClip(const std::string& prefix) {
  TensorMap tensors = Renamed(Filled(VisionTransformer(kClip, kSmall)), {}, prefix);
  tensors[prefix + "head.bias"] = {TensorType::kF32, {5}, std::string(20, '\0')};
  return tensors;
}

inline TensorMap With(TensorMap tensors, const std::vector<std::string>& names) {
  for (const std::string& name : names) tensors[name] = Surplus();
  return tensors;
}

inline Shapes SmallConvNext() { return ConvNext({1, 2, 3, 1}, {2, 3, 4, 5}); }

inline TensorMap TorchvisionConvNext() {
  TensorMap renamed;
  for (const auto& [name, tensor] : Filled(SmallConvNext())) {
    const std::vector<std::string> parts = absl::StrSplit(name, '.');
    const int stage = parts[0] == "norm" ? 0 : std::stoi(parts[1]);
    if (parts[0] == "norm") {
      renamed["classifier.0." + parts[1]] = tensor;
    } else if (parts[0] == "downsample_layers") {
      renamed[absl::StrCat("features.", 2 * stage, ".", parts[2], ".", parts[3])] = tensor;
    } else if (parts[3] == "gamma") {
      TensorBytes& scale =
          renamed[absl::StrCat("features.", 2 * stage + 1, ".", parts[2], ".layer_scale")] = tensor;
      scale.shape = {tensor.shape[0], 1, 1};
    } else {
      const std::map<std::string, int> layers = {
          {"dwconv", 0}, {"norm", 2}, {"pwconv1", 3}, {"pwconv2", 5}};
      renamed[absl::StrCat("features.", 2 * stage + 1, ".", parts[2], ".block.",
                           layers.at(parts[3]), ".", parts[4])] = tensor;
    }
  }
  return With(renamed, {"classifier.2.weight"});
}

// timm's and Hugging Face's: both keep the stages together.
inline TensorMap StagedConvNext(const std::string& prefix, const std::string& block,
                                const std::string& downsample, const Replacements& layers) {
  TensorMap renamed;
  for (const auto& [name, tensor] : Filled(SmallConvNext())) {
    std::vector<std::string> parts = absl::StrSplit(name, '.');
    std::string changed = name;
    if (parts[0] == "stages") {
      parts[2] = absl::StrCat(block, ".", parts[2]);
      changed = absl::StrJoin(parts, ".");
    } else if (parts[0] == "downsample_layers" && parts[1] != "0") {
      changed = absl::StrCat("stages.", parts[1], ".", downsample, ".", parts[2], ".", parts[3]);
    }
    renamed[prefix + absl::StrReplaceAll(changed, layers)] = tensor;
  }
  return renamed;
}

inline TensorMap TimmConvNext() {
  return With(StagedConvNext("", "blocks", "downsample",
                             {{"downsample_layers.0", "stem"},
                              {"dwconv", "conv_dw"},
                              {"pwconv1", "mlp.fc1"},
                              {"pwconv2", "mlp.fc2"}}),
              {"head.fc.weight"});
}

inline TensorMap HuggingFaceConvNext(const std::string& prefix) {
  return With(StagedConvNext(prefix, "layers", "downsampling_layer",
                             {{"downsample_layers.0.0", "embeddings.patch_embeddings"},
                              {"downsample_layers.0.1", "embeddings.layernorm"},
                              {"stages.", "encoder.stages."},
                              {"gamma", "layer_scale_parameter"},
                              {"norm.", "layernorm."}}),
              {"classifier.bias"});
}

struct Scheme {
  std::string name;
  std::function<TensorMap()> file;
  Shapes canonical;
};

inline std::vector<Scheme> Schemes() {
  const Shapes clip = VisionTransformer(kClip, kSmall), siglip = VisionTransformer(kSiglip, kSmall);
  const Shapes dinov2 = VisionTransformer(kDinov2, kSmall);
  const Shapes registers = VisionTransformer(kDinov2Registers, kSmall);
  const Shapes plain = VisionTransformer(kPlain, kSmall);
  const auto ours = [](const Shapes& shapes, const std::string& prefix,
                       const std::vector<std::string>& besides) {
    return [=] { return With(Renamed(Filled(shapes), {}, prefix), besides); };
  };
  return {
      {"OpenAiWithTextTower", OpenAiFile, clip},
      {"OpenAiVisualAlone", [] { return OpenAi(""); }, clip},
      {"OpenClipCheckpoint", [] { return OpenAi("state_dict.module.visual."); }, clip},
      {"HuggingFaceClip", HuggingFaceClip, clip},
      {"TimmClip", [] { return TimmClip(""); }, clip},
      {"OpenClipWithTimmClip", [] { return TimmClip("visual.trunk."); }, clip},
      {"MetaDinov2", ours(dinov2, "", {"mask_token"}), dinov2},
      {"MetaDinov2Registers", ours(registers, "", {"mask_token"}), registers},
      {"TimmDinov2", ours(dinov2, "", {}), dinov2},
      {"HuggingFaceDinov2", [] { return HuggingFaceDinov2(kDinov2, ""); }, dinov2},
      {"HuggingFaceDinov2Classifier", [] { return HuggingFaceDinov2(kDinov2, "dinov2."); }, dinov2},
      {"HuggingFaceDinov2Registers",
       [] { return HuggingFaceDinov2(kDinov2Registers, "dinov2_with_registers."); }, registers},
      {"TimmSiglip", ours(siglip, "", {}), siglip},
      {"OpenClipSiglip",
       ours(siglip, "visual.trunk.", {"text.transformer.resblocks.0.ln_1.weight", "logit_bias"}),
       siglip},
      {"HuggingFaceSiglip", HuggingFaceSiglip, siglip},
      {"TimmVit", ours(plain, "", {"head.weight", "head.bias"}), plain},
      {"TorchvisionVit", [] { return TorchvisionVit(".linear_1", ".linear_2"); }, plain},
      {"TorchvisionVitOfToday", [] { return TorchvisionVit(".0", ".3"); }, plain},
      {"FacebookConvNext", ours(SmallConvNext(), "model.", {"model.head.weight"}), SmallConvNext()},
      {"TorchvisionConvNext", TorchvisionConvNext, SmallConvNext()},
      {"TimmConvNext",
       [] {
         TensorMap tensors = TimmConvNext();
         for (const char* kind : {"weight", "bias"}) {
           tensors[absl::StrCat("head.norm.", kind)] =
               tensors.extract(absl::StrCat("norm.", kind)).mapped();
         }
         return tensors;
       },
       SmallConvNext()},
      {"HuggingFaceConvNext", [] { return HuggingFaceConvNext("convnext."); }, SmallConvNext()},
      {"HuggingFaceConvNextAlone", [] { return HuggingFaceConvNext(""); }, SmallConvNext()},
  };
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_WEIGHTS_PUBLISHED_WEIGHTS_H_
