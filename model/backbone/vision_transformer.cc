#include "model/backbone/vision_transformer.h"

#include <torch/nn/modules/conv.h>

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/backbone/frozen_copy.h"
#include "model/backbone/layer_norm.h"
#include "model/backbone/position_table.h"
#include "model/backbone/transformer_block.h"

namespace s2p {
namespace {

constexpr double kInitialDeviation = 0.02;

torch::nn::Conv2d PatchConvolution(const v1::VisionTransformer& t) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(3, t.width(), t.patch()).stride(t.patch()).bias(t.patch_bias()));
}

// From images to the tokens that enter the first block.
class Stem : public torch::nn::Module {
 public:
  explicit Stem(const v1::VisionTransformer& t)
      : patch_embed(register_module("patch_embed", std::make_shared<torch::nn::Module>())),
        rule_(t.position_resampling()) {
    const int64_t width = t.width();
    const int64_t cells = int64_t{t.position_side()} * t.position_side();
    projection_ = patch_embed->register_module("proj", PatchConvolution(t));
    if (t.class_token()) cls_token = register_parameter("cls_token", torch::empty({1, 1, width}));
    pos_embed = register_parameter("pos_embed",
                                   torch::empty({1, cells + (t.class_token() ? 1 : 0), width}));
    if (t.registers() > 0) {
      register_tokens =
          register_parameter("register_tokens", torch::empty({1, t.registers(), width}));
    }
    if (t.pre_norm()) norm_pre = register_module("norm_pre", TokenNorm(t));
  }

  // [1, tokens without registers, width] for a grid of patches.
  torch::Tensor Positions(int64_t rows, int64_t columns) const {
    return ResamplePositions(pos_embed, cls_token.defined() ? 1 : 0, rows, columns, rule_);
  }
  // Keeps the positions of this grid, in the type of the later passes.
  void KeepPositions(int64_t rows, int64_t columns, const torch::TensorOptions& options) {
    const torch::NoGradGuard no_grad;
    kept_ = Positions(rows, columns).to(options, /*non_blocking=*/false, /*copy=*/true);
    kept_rows_ = rows;
    kept_columns_ = columns;
  }

  // [n, 3, H, W] -> [n, H / patch, W / patch] patches in their order as [n, tokens, width]; the
  // class token and the registers come first. `rows` and `columns` receive the grid's size.
  torch::Tensor Forward(const torch::Tensor& images, int64_t& rows, int64_t& columns) {
    torch::Tensor x = projection_(images);
    rows = x.size(2);
    columns = x.size(3);
    const int64_t n = x.size(0);
    x = x.flatten(2).transpose(1, 2);
    if (cls_token.defined()) x = torch::cat({cls_token.expand({n, -1, -1}), x}, 1);
    const bool kept = kept_.defined() && rows == kept_rows_ && columns == kept_columns_;
    x = x + (kept ? kept_ : Positions(rows, columns));
    if (register_tokens.defined()) {
      const int64_t first = cls_token.defined() ? 1 : 0;
      x = torch::cat({x.slice(1, 0, first), register_tokens.expand({n, -1, -1}), x.slice(1, first)},
                     1);
    }
    return norm_pre.is_empty() ? x : Normalise(norm_pre, x);
  }

  // The tensors and modules that the description leaves out are undefined or null.
  std::shared_ptr<torch::nn::Module> patch_embed;
  torch::Tensor cls_token;
  torch::Tensor pos_embed;
  torch::Tensor register_tokens;
  torch::nn::LayerNorm norm_pre{nullptr};

 private:
  const v1::PositionResampling rule_;
  torch::nn::Conv2d projection_{nullptr};
  torch::Tensor kept_;
  int64_t kept_rows_ = 0;
  int64_t kept_columns_ = 0;
};

class Transformer final : public Backbone {
 public:
  Transformer(const v1::VisionTransformer& description, int last_stage)
      : description_(description),
        last_stage_(last_stage),
        stem_(std::make_shared<Stem>(description)) {
    RegisterStem();
    const auto blocks = register_module("blocks", std::make_shared<torch::nn::Module>());
    for (int i = 0; i < BlocksBefore(last_stage + 1); ++i) {
      blocks_.push_back(blocks->register_module(absl::StrCat(i),
                                                std::make_shared<TransformerBlock>(description)));
    }
    if (last_stage < 4) return;
    norm_ = register_module("norm", TokenNorm(description));
    if (description.attention_pool()) {
      attn_pool_ = register_module("attn_pool", std::make_shared<AttentionPool>(description));
    }
    if (description.projection() > 0) {
      head_ = register_module(
          "head",
          torch::nn::Linear(
              torch::nn::LinearOptions(description.width(), description.projection()).bias(false)));
    }
  }

  // As timm does, whose normal distributions are truncated at bounds that never occur.
  void Initialise() {
    const torch::NoGradGuard no_grad;
    for (const auto& parameter : named_parameters()) {
      torch::Tensor values = parameter.value();
      // Norms and layer scales keep their initial values.
      if (values.dim() > 1) values.normal_(0, kInitialDeviation);
    }
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* linear = module->as<torch::nn::LinearImpl>()) {
        if (linear->bias.defined()) linear->bias.zero_();
      } else if (auto* conv = module->as<torch::nn::Conv2dImpl>()) {
        conv->weight.normal_(0, 1 / std::sqrt(static_cast<double>(conv->weight[0].numel())));
        if (conv->bias.defined()) conv->bias.zero_();
      }
    }
  }

  FeatureMaps Forward(const torch::Tensor& images) override {
    int64_t rows = 0, columns = 0;
    torch::Tensor x = stem_->Forward(images, rows, columns);
    const auto maps_of = [&](const torch::Tensor& tokens) {
      return tokens.slice(1, prefix()).transpose(1, 2).reshape({tokens.size(0), -1, rows, columns});
    };
    FeatureMaps maps;
    for (int i = 0; i < BlocksBefore(last_stage_ + 1); ++i) {
      if (i == BlocksBefore(last_stage_)) maps.before_last = maps_of(x);
      x = blocks_[i]->Forward(x);
    }
    // A stage of a shallow network may be empty.
    if (!maps.before_last.defined()) maps.before_last = maps_of(x);
    if (!norm_.is_empty()) {
      x = Normalise(norm_, x);
      maps.summary = Summary(x);
    }
    maps.last = maps_of(x);
    return maps;
  }

  int channels() const override { return static_cast<int>(description_.width()); }

  std::vector<std::shared_ptr<torch::nn::Module>> Stages() override {
    std::vector<std::shared_ptr<torch::nn::Module>> stages = {stem_};
    for (int s = 1; s <= last_stage_; ++s) {
      const auto stage = std::make_shared<torch::nn::Module>();
      for (int i = BlocksBefore(s); i < BlocksBefore(s + 1); ++i) {
        stage->register_module(absl::StrCat(i), blocks_[i]);
      }
      stages.push_back(stage);
    }
    if (!norm_.is_empty()) stages[4]->register_module("norm", norm_);
    if (attn_pool_ != nullptr) stages[4]->register_module("attn_pool", attn_pool_);
    if (!head_.is_empty()) stages[4]->register_module("head", head_);
    return stages;
  }

  // Tokens have no other layout.
  bool Supports(TensorLayout layout, torch::Device) const override {
    return layout == TensorLayout::kContiguous;
  }

  std::unique_ptr<const FrozenBackbone> Freeze(const FrozenOptions& options) const override {
    // The copy's tensors must be ordinary ones, which any thread may use.
    const c10::InferenceMode ordinary(false);
    const auto copy = std::make_shared<Transformer>(description_, last_stage_);
    CopyWeights(*this, *copy);
    const auto patch = static_cast<int>(description_.patch());
    if (options.height >= patch && options.width >= patch) {
      // FrozenCopy adds positions in float32 when it multiplies in bfloat16.
      const auto type = options.type == torch::kBFloat16 ? torch::kFloat32 : options.type;
      copy->stem_->KeepPositions(options.height / patch, options.width / patch,
                                 torch::TensorOptions(type).device(options.device));
    }
    return std::make_unique<const FrozenCopy>(copy, options);
  }

 private:
  // In the published networks, the stem's parameters are siblings of the blocks.
  void RegisterStem() {
    register_module("patch_embed", stem_->patch_embed);
    if (stem_->cls_token.defined()) register_parameter("cls_token", stem_->cls_token);
    register_parameter("pos_embed", stem_->pos_embed);
    if (stem_->register_tokens.defined()) {
      register_parameter("register_tokens", stem_->register_tokens);
    }
    if (!stem_->norm_pre.is_empty()) register_module("norm_pre", stem_->norm_pre);
  }

  // The blocks of the stages before this one, from 1.
  int BlocksBefore(int stage) const {
    return static_cast<int>(description_.depth()) * (stage - 1) / 4;
  }

  // The number of tokens before those of the patches.
  int64_t prefix() const { return (description_.class_token() ? 1 : 0) + description_.registers(); }

  // [n, tokens, width], normalised -> [n, d].
  torch::Tensor Summary(const torch::Tensor& x) {
    const torch::Tensor pooled = attn_pool_ != nullptr        ? attn_pool_->Forward(x)
                                 : description_.class_token() ? x.select(1, 0)
                                                              : x.slice(1, prefix()).mean(1);
    return head_.is_empty() ? pooled : head_(pooled);
  }

  const v1::VisionTransformer description_;
  const int last_stage_;
  const std::shared_ptr<Stem> stem_;
  std::vector<std::shared_ptr<TransformerBlock>> blocks_;
  // Null without stage 4, and where the description has none.
  torch::nn::LayerNorm norm_{nullptr};
  std::shared_ptr<AttentionPool> attn_pool_;
  torch::nn::Linear head_{nullptr};
};

}  // namespace

std::shared_ptr<Backbone> CreateVisionTransformer(const v1::VisionTransformer& description,
                                                  int last_stage) {
  auto network = std::make_shared<Transformer>(description, last_stage);
  network->Initialise();
  return network;
}

}  // namespace s2p
