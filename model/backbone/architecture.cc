#include "model/backbone/architecture.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "model/backbone/transformer_fields.h"

namespace s2p {
namespace {

constexpr char kOwnTransformer[] = "vit";
// Stride of a ConvNeXt's stem, and of each later stage.
constexpr int kConvNextStem = 4;
// The most patches of a transformer's input in each direction: attention takes memory and time by
// the square of their number.
constexpr uint32_t kMaxPatches = 128;

struct ResidualRow {
  const char* name;
  ResidualLayout layout;
};

constexpr ResidualRow kResidual[] = {
    {"resnet18", {ResidualBlock::kBasic, {2, 2, 2, 2}}},
    {"resnet34", {ResidualBlock::kBasic, {3, 4, 6, 3}}},
    {"resnet50", {ResidualBlock::kBottleneck, {3, 4, 6, 3}}},
    {"resnet50_caffe", {ResidualBlock::kCaffeBottleneck, {3, 4, 6, 3}}},
    {"se_resnext50_32x4d", {ResidualBlock::kSqueezeExcitation, {3, 4, 6, 3}}},
};

struct ConvNextRow {
  const char* name;
  ConvNextLayout layout;
};

constexpr ConvNextRow kConvNext[] = {
    {"convnext_tiny", {{3, 3, 9, 3}, {96, 192, 384, 768}}},
    {"convnext_small", {{3, 3, 27, 3}, {96, 192, 384, 768}}},
    {"convnext_base", {{3, 3, 27, 3}, {128, 256, 512, 1024}}},
};

// The families of published transformers, whose members differ in size only.
enum class TransformerFamily { kClip, kDinoV2, kDinoV2Registers, kTorchvision, kSiglip };

// Heads have 64 channels, and the dense layers four times the width.
struct TransformerRow {
  const char* name;
  TransformerFamily family;
  uint32_t patch, width, depth, position_side;
  uint32_t projection;
};

constexpr TransformerRow kTransformers[] = {
    {"clip_vit_b_32", TransformerFamily::kClip, 32, 768, 12, 7, 512},
    {"clip_vit_b_16", TransformerFamily::kClip, 16, 768, 12, 14, 512},
    {"clip_vit_l_14", TransformerFamily::kClip, 14, 1024, 24, 16, 768},
    {"dinov2_vits14", TransformerFamily::kDinoV2, 14, 384, 12, 37, 0},
    {"dinov2_vitb14", TransformerFamily::kDinoV2, 14, 768, 12, 37, 0},
    {"dinov2_vitl14", TransformerFamily::kDinoV2, 14, 1024, 24, 37, 0},
    {"dinov2_vits14_reg", TransformerFamily::kDinoV2Registers, 14, 384, 12, 37, 0},
    {"dinov2_vitb14_reg", TransformerFamily::kDinoV2Registers, 14, 768, 12, 37, 0},
    {"dinov2_vitl14_reg", TransformerFamily::kDinoV2Registers, 14, 1024, 24, 37, 0},
    {"siglip_vit_b_16", TransformerFamily::kSiglip, 16, 768, 12, 14, 0},
    {"vit_b_16", TransformerFamily::kTorchvision, 16, 768, 12, 14, 0},
};

v1::VisionTransformer TransformerOf(const TransformerRow& row) {
  const TransformerFamily family = row.family;
  const bool clip = family == TransformerFamily::kClip;
  const bool siglip = family == TransformerFamily::kSiglip;
  const bool registers = family == TransformerFamily::kDinoV2Registers;
  v1::VisionTransformer t;
  t.set_patch(row.patch);
  t.set_width(row.width);
  t.set_depth(row.depth);
  t.set_heads(row.width / 64);
  t.set_mlp_width(4 * row.width);
  t.set_position_side(row.position_side);
  t.set_registers(registers ? 4 : 0);
  t.set_class_token(!siglip);
  t.set_patch_bias(!clip);
  t.set_pre_norm(clip);
  t.set_layer_scale(registers || family == TransformerFamily::kDinoV2);
  t.set_activation(clip     ? v1::ACTIVATION_QUICK_GELU
                   : siglip ? v1::ACTIVATION_GELU_TANH
                            : v1::ACTIVATION_GELU);
  t.set_attention_pool(siglip);
  t.set_projection(row.projection);
  t.set_norm_epsilon(clip ? 1e-5 : 1e-6);
  t.set_position_resampling(family == TransformerFamily::kDinoV2 ? v1::POSITION_RESAMPLING_OFFSET
                            : family == TransformerFamily::kTorchvision
                                ? v1::POSITION_RESAMPLING_ALIGNED_CORNERS
                                : v1::POSITION_RESAMPLING_ANTIALIASED);
  return t;
}

Architecture ArchitectureOf(const ResidualLayout& layout) {
  const int width = layout.block == ResidualBlock::kBasic ? 64 : 256;
  return {layout, {width, 2 * width, 4 * width, 8 * width}, 0};
}

Architecture ArchitectureOf(const ConvNextLayout& layout) {
  return {layout, layout.channels, layout.channels[3]};
}

Architecture ArchitectureOf(const v1::VisionTransformer& transformer) {
  const int width = static_cast<int>(transformer.width());
  const int projection = static_cast<int>(transformer.projection());
  return {transformer, {width, width, width, width}, projection > 0 ? projection : width};
}

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("backbone.", field, ": ", what));
}

}  // namespace

std::vector<std::string> ArchitectureNames() {
  std::vector<std::string> names;
  for (const auto& row : kResidual) names.emplace_back(row.name);
  for (const auto& row : kConvNext) names.emplace_back(row.name);
  for (const auto& row : kTransformers) names.emplace_back(row.name);
  names.emplace_back(kOwnTransformer);
  return names;
}

absl::StatusOr<Architecture> FindArchitecture(const std::string& name,
                                              const v1::VisionTransformer& transformer) {
  for (const auto& row : kResidual) {
    if (name == row.name) return ArchitectureOf(row.layout);
  }
  for (const auto& row : kConvNext) {
    if (name == row.name) return ArchitectureOf(row.layout);
  }
  for (const auto& row : kTransformers) {
    if (name == row.name) return ArchitectureOf(TransformerOf(row));
  }
  if (name != kOwnTransformer) {
    return Invalid("arch", absl::StrCat("'", name, "' is not one of ",
                                        absl::StrJoin(ArchitectureNames(), ", ")));
  }
  for (const WrongField& wrong : WrongFields(transformer)) {
    return Invalid(absl::StrCat("transformer.", wrong.name),
                   absl::StrCat("must be ", wrong.must_be));
  }
  return ArchitectureOf(transformer);
}

absl::StatusOr<Architecture> ArchitectureOf(const v1::Backbone& backbone) {
  if (backbone.last_stage() != 3 && backbone.last_stage() != 4) {
    return Invalid("last_stage", absl::StrCat(backbone.last_stage(), " is not in [3, 4]"));
  }
  S2P_ASSIGN_OR_RETURN(Architecture architecture,
                       FindArchitecture(backbone.arch(), backbone.transformer()));
  if (backbone.has_transformer() && backbone.arch() != kOwnTransformer) {
    return Invalid("transformer", absl::StrCat("set, but the arch is '", backbone.arch(),
                                               "', not '", kOwnTransformer, "'"));
  }
  const bool strides = architecture.IsResidual() && backbone.last_stage() == 4;
  if (strides && backbone.last_stride() != 1 && backbone.last_stride() != 2) {
    return Invalid("last_stride", absl::StrCat(backbone.last_stride(), " is not in [1, 2]"));
  }
  return architecture;
}

std::string WrongSide(const Architecture& architecture, int last_stage, uint32_t pixels) {
  if (const auto* transformer = std::get_if<v1::VisionTransformer>(&architecture.layout)) {
    if (pixels % transformer->patch() != 0) {
      return absl::StrCat("a multiple of ", transformer->patch());
    }
    const uint32_t most = transformer->patch() * kMaxPatches;
    return pixels <= most ? "" : absl::StrCat("at most ", most);
  }
  if (std::holds_alternative<ConvNextLayout>(architecture.layout)) {
    const uint32_t least = kConvNextStem << (last_stage - 1);
    if (pixels >= least) return "";
    return absl::StrCat("at least ", least);
  }
  return "";
}

}  // namespace s2p
