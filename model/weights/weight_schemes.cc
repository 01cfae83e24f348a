#include "model/weights/weight_schemes.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

using Rules = std::vector<NameRule>;

constexpr TensorForm kTokens = TensorForm::kTokens;

Rules operator+(Rules a, const Rules& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// Names that are ours already.
Rules Others() { return {{"*", "*"}}; }

Rules Skipped(const std::vector<std::string>& patterns) {
  Rules rules;
  for (const std::string& pattern : patterns) rules.push_back({pattern, ""});
  return rules;
}

// The three thirds of a layer that computes queries, keys and values.
Rules QueryKeyValue(const std::string& query, const std::string& key, const std::string& value) {
  return {{query, "blocks.#.attn.qkv.*", TensorForm::kQuery},
          {key, "blocks.#.attn.qkv.*", TensorForm::kKey},
          {value, "blocks.#.attn.qkv.*", TensorForm::kValue}};
}

// OpenAI's and open_clip's, below "visual.".
Rules ClipRules() {
  const std::string block = "transformer.resblocks.#.";
  return {{"class_embedding", "cls_token", kTokens},
          {"positional_embedding", "pos_embed", kTokens},
          {"conv1.*", "patch_embed.proj.*"},
          {"ln_pre.*", "norm_pre.*"},
          {block + "ln_1.*", "blocks.#.norm1.*"},
          {block + "attn.in_proj_weight", "blocks.#.attn.qkv.weight"},
          {block + "attn.in_proj_bias", "blocks.#.attn.qkv.bias"},
          {block + "attn.out_proj.*", "blocks.#.attn.proj.*"},
          {block + "ln_2.*", "blocks.#.norm2.*"},
          {block + "mlp.c_fc.*", "blocks.#.mlp.fc1.*"},
          {block + "mlp.c_proj.*", "blocks.#.mlp.fc2.*"},
          {"ln_post.*", "norm.*"},
          {"proj", "head.weight", TensorForm::kTransposed}};
}

// The names that CLIP and SigLIP share in transformers.
Rules HuggingFaceVisionRules() {
  const std::string vision = "vision_model.", layer = "vision_model.encoder.layers.#.";
  return Skipped({"text_model.*", "text_projection.*", "logit_scale", "logit_bias", "classifier.*",
                  vision + "embeddings.position_ids"}) +
         Rules{{vision + "embeddings.position_embedding.weight", "pos_embed", kTokens},
               {vision + "embeddings.patch_embedding.*", "patch_embed.proj.*"},
               {layer + "layer_norm1.*", "blocks.#.norm1.*"},
               {layer + "self_attn.out_proj.*", "blocks.#.attn.proj.*"},
               {layer + "layer_norm2.*", "blocks.#.norm2.*"},
               {layer + "mlp.fc1.*", "blocks.#.mlp.fc1.*"},
               {layer + "mlp.fc2.*", "blocks.#.mlp.fc2.*"},
               {vision + "post_layernorm.*", "norm.*"}} +
         QueryKeyValue(layer + "self_attn.q_proj.*", layer + "self_attn.k_proj.*",
                       layer + "self_attn.v_proj.*");
}

Rules HuggingFaceClipRules() {
  return HuggingFaceVisionRules() +
         Rules{{"vision_model.embeddings.class_embedding", "cls_token", kTokens},
               // Spelt in this way.
               {"vision_model.pre_layrnorm.*", "norm_pre.*"},
               {"visual_projection.weight", "head.weight"}};
}

Rules HuggingFaceSiglipRules() {
  const std::string head = "vision_model.head.";
  Rules rules =
      HuggingFaceVisionRules() + Rules{{head + "probe", "attn_pool.latent", kTokens},
                                       {head + "attention.out_proj.*", "attn_pool.proj.*"},
                                       {head + "layernorm.*", "attn_pool.norm.*"},
                                       {head + "mlp.fc1.*", "attn_pool.mlp.fc1.*"},
                                       {head + "mlp.fc2.*", "attn_pool.mlp.fc2.*"}};
  for (const char* kind : {"weight", "bias"}) {
    const std::string joined = absl::StrCat(head, "attention.in_proj_", kind);
    rules.push_back({joined, absl::StrCat("attn_pool.q.", kind), TensorForm::kFirstThird});
    rules.push_back({joined, absl::StrCat("attn_pool.kv.", kind), TensorForm::kLastTwoThirds});
  }
  return rules;
}

// With and without registers, below "dinov2." or "dinov2_with_registers." in a classifier's file.
Rules HuggingFaceDinov2Rules() {
  const std::string layer = "encoder.layer.#.", attention = layer + "attention.attention.";
  return Skipped({"embeddings.mask_token", "classifier.*"}) +
         Rules{{"embeddings.cls_token", "cls_token", kTokens},
               {"embeddings.position_embeddings", "pos_embed", kTokens},
               {"embeddings.register_tokens", "register_tokens", kTokens},
               {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
               {layer + "norm1.*", "blocks.#.norm1.*"},
               {layer + "attention.output.dense.*", "blocks.#.attn.proj.*"},
               {layer + "layer_scale1.lambda1", "blocks.#.ls1.gamma"},
               {layer + "norm2.*", "blocks.#.norm2.*"},
               {layer + "mlp.fc1.*", "blocks.#.mlp.fc1.*"},
               {layer + "mlp.fc2.*", "blocks.#.mlp.fc2.*"},
               {layer + "layer_scale2.lambda1", "blocks.#.ls2.gamma"},
               {"layernorm.*", "norm.*"}} +
         QueryKeyValue(attention + "query.*", attention + "key.*", attention + "value.*");
}

// Its perceptron's layers are called otherwise in the published files than in what it saves today.
Rules TorchvisionVitRules(const std::string& fc1, const std::string& fc2) {
  const std::string layer = "encoder.layers.encoder_layer_#.";
  return Skipped({"heads.*"}) +
         Rules{{"class_token", "cls_token", kTokens},
               {"encoder.pos_embedding", "pos_embed", kTokens},
               {"conv_proj.*", "patch_embed.proj.*"},
               {layer + "ln_1.*", "blocks.#.norm1.*"},
               {layer + "self_attention.in_proj_weight", "blocks.#.attn.qkv.weight"},
               {layer + "self_attention.in_proj_bias", "blocks.#.attn.qkv.bias"},
               {layer + "self_attention.out_proj.*", "blocks.#.attn.proj.*"},
               {layer + "ln_2.*", "blocks.#.norm2.*"},
               {layer + "mlp." + fc1 + ".*", "blocks.#.mlp.fc1.*"},
               {layer + "mlp." + fc2 + ".*", "blocks.#.mlp.fc2.*"},
               {"encoder.ln.*", "norm.*"}};
}

Rules TorchvisionConvNextRules() {
  Rules rules = {{"features.0.#.*", "downsample_layers.0.#.*"}, {"classifier.0.*", "norm.*"}};
  for (int stage = 0; stage < 4; ++stage) {
    if (stage > 0) {
      rules.push_back({absl::StrCat("features.", 2 * stage, ".#.*"),
                       absl::StrCat("downsample_layers.", stage, ".#.*")});
    }
    const std::string published = absl::StrCat("features.", 2 * stage + 1, ".#.");
    const std::string block = absl::StrCat("stages.", stage, ".#.");
    rules = rules + Rules{{published + "block.0.*", block + "dwconv.*"},
                          {published + "block.2.*", block + "norm.*"},
                          {published + "block.3.*", block + "pwconv1.*"},
                          {published + "block.5.*", block + "pwconv2.*"},
                          {published + "layer_scale", block + "gamma", TensorForm::kVector}};
  }
  return rules + Skipped({"classifier.*"});
}

Rules TimmConvNextRules() {
  return {{"stem.#.*", "downsample_layers.0.#.*"},
          {"stages.#.downsample.#.*", "downsample_layers.#.#.*"},
          {"stages.#.blocks.#.conv_dw.*", "stages.#.#.dwconv.*"},
          {"stages.#.blocks.#.norm.*", "stages.#.#.norm.*"},
          {"stages.#.blocks.#.mlp.fc1.*", "stages.#.#.pwconv1.*"},
          {"stages.#.blocks.#.mlp.fc2.*", "stages.#.#.pwconv2.*"},
          {"stages.#.blocks.#.gamma", "stages.#.#.gamma"},
          {"head.norm.*", "norm.*"},
          {"head.fc.*", ""}};
}

Rules HuggingFaceConvNextRules() {
  const std::string layer = "encoder.stages.#.layers.#.";
  return {{"embeddings.patch_embeddings.*", "downsample_layers.0.0.*"},
          {"embeddings.layernorm.*", "downsample_layers.0.1.*"},
          {"encoder.stages.#.downsampling_layer.#.*", "downsample_layers.#.#.*"},
          {layer + "dwconv.*", "stages.#.#.dwconv.*"},
          {layer + "layernorm.*", "stages.#.#.norm.*"},
          {layer + "pwconv1.*", "stages.#.#.pwconv1.*"},
          {layer + "pwconv2.*", "stages.#.#.pwconv2.*"},
          {layer + "layer_scale_parameter", "stages.#.#.gamma"},
          {"layernorm.*", "norm.*"},
          {"classifier.*", ""}};
}

std::vector<WeightScheme> Transformers() {
  return {{"CLIP of OpenAI and open_clip", {"visual.", ""}, "class_embedding", ClipRules()},
          {"CLIP of Hugging Face",
           {""},
           "vision_model.embeddings.class_embedding",
           HuggingFaceClipRules()},
          {"SigLIP of Hugging Face",
           {""},
           "vision_model.embeddings.position_embedding.weight",
           HuggingFaceSiglipRules()},
          {"DINOv2 of Hugging Face",
           {"dinov2.", "dinov2_with_registers.", ""},
           "embeddings.patch_embeddings.projection.weight",
           HuggingFaceDinov2Rules()},
          {"ViT of torchvision, version 1",
           {""},
           "encoder.layers.encoder_layer_0.mlp.linear_1.weight",
           TorchvisionVitRules("linear_1", "linear_2")},
          {"ViT of torchvision", {""}, "conv_proj.weight", TorchvisionVitRules("0", "3")},
          {"CLIP of timm",
           {"visual.trunk.", ""},
           "norm_pre.weight",
           Rules{{"head.weight", "head.weight"}, {"head.bias", "", TensorForm::kZero}} + Others()},
          {"DINOv2 with registers of timm",
           {""},
           "reg_token",
           Rules{{"reg_token", "register_tokens"},
                 {"pos_embed", "pos_embed", TensorForm::kPatchTokens}} +
               Skipped({"head.*"}) + Others()},
          {"ViT of timm (open_clip's SigLIP, DINOv2's own)",
           {"visual.trunk.", ""},
           "patch_embed.proj.weight",
           Skipped({"mask_token", "head.*"}) + Others()}};
}

std::vector<WeightScheme> ConvolutionalNetworks() {
  return {{"ConvNeXt of facebookresearch",
           {""},
           "downsample_layers.0.0.weight",
           Skipped({"head.*"}) + Others()},
          {"ConvNeXt of torchvision", {""}, "features.1.0.layer_scale", TorchvisionConvNextRules()},
          {"ConvNeXt of timm", {""}, "stages.0.blocks.0.conv_dw.weight", TimmConvNextRules()},
          {"ConvNeXt of Hugging Face",
           {"convnext.", ""},
           "embeddings.patch_embeddings.weight",
           HuggingFaceConvNextRules()},
          {"ResNet of torchvision, SE-ResNeXt",
           {""},
           "layer1.0.conv1.weight",
           Skipped({"fc.*", "last_linear.*"}) + Others()}};
}

std::vector<WeightScheme> AllSchemes() {
  std::vector<WeightScheme> schemes = Transformers();
  for (WeightScheme& scheme : ConvolutionalNetworks()) schemes.push_back(std::move(scheme));
  return schemes;
}

}  // namespace

const std::vector<WeightScheme>& WeightSchemes() {
  static const auto& schemes = *new std::vector<WeightScheme>(AllSchemes());
  return schemes;
}

std::optional<std::string> Rewritten(absl::string_view name, absl::string_view from,
                                     absl::string_view to) {
  std::vector<absl::string_view> numbers;
  absl::string_view rest;
  size_t at = 0;
  for (const char c : from) {
    if (c == '*') {
      rest = name.substr(at);
      at = name.size();
      if (rest.empty()) return std::nullopt;
    } else if (c == '#') {
      const size_t first = at;
      while (at < name.size() && absl::ascii_isdigit(static_cast<unsigned char>(name[at]))) ++at;
      if (at == first) return std::nullopt;
      numbers.push_back(name.substr(first, at - first));
    } else if (at >= name.size() || name[at++] != c) {
      return std::nullopt;
    }
  }
  if (at != name.size()) return std::nullopt;
  std::string result;
  size_t number = 0;
  for (const char c : to) {
    if (c == '*') {
      absl::StrAppend(&result, rest);
    } else if (c == '#') {
      absl::StrAppend(&result, numbers[number++]);
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace s2p
