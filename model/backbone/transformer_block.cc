#include "model/backbone/transformer_block.h"

#include <ATen/ops/gelu.h>

#include <utility>

#include "model/backbone/layer_norm.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

using torch::nn::LayerNorm;
using torch::nn::Linear;

constexpr double kQuickGelu = 1.702;

torch::Tensor Activate(const torch::Tensor& x, v1::Activation activation) {
  switch (activation) {
    case v1::ACTIVATION_QUICK_GELU:
      return x * torch::sigmoid(kQuickGelu * x);
    case v1::ACTIVATION_GELU_TANH:
      return at::gelu(x, "tanh");
    default:
      return at::gelu(x);
  }
}

// Layer scale begins smaller in deeper networks (Touvron et al., ICCV 2021, section 4).
double InitialScale(uint32_t depth) { return depth <= 18 ? 0.1 : depth <= 24 ? 1e-5 : 1e-6; }

// [n, tokens, parts * width] -> [parts, n, heads, tokens, width / heads].
torch::Tensor SplitHeads(const torch::Tensor& x, int64_t parts, int64_t heads) {
  return x.reshape({x.size(0), x.size(1), parts, heads, x.size(2) / parts / heads})
      .permute({2, 0, 3, 1, 4});
}

// [n, heads, tokens, width / heads] -> [n, tokens, width].
torch::Tensor JoinHeads(const torch::Tensor& x) { return x.transpose(1, 2).flatten(2); }

}  // namespace

LayerNorm TokenNorm(const v1::VisionTransformer& description) {
  return LayerNorm(
      torch::nn::LayerNormOptions({description.width()}).eps(description.norm_epsilon()));
}

DenseLayers::DenseLayers(const v1::VisionTransformer& description)
    : activation_(description.activation()),
      fc1_(register_module("fc1", Linear(description.width(), description.mlp_width()))),
      fc2_(register_module("fc2", Linear(description.mlp_width(), description.width()))) {}

torch::Tensor DenseLayers::Forward(const torch::Tensor& x) {
  return fc2_(Activate(fc1_(x), activation_));
}

SelfAttention::SelfAttention(const v1::VisionTransformer& description)
    : heads_(description.heads()),
      qkv_(register_module("qkv", Linear(description.width(), 3 * description.width()))),
      proj_(register_module("proj", Linear(description.width(), description.width()))) {}

torch::Tensor SelfAttention::Forward(const torch::Tensor& x) {
  const torch::Tensor qkv = SplitHeads(qkv_(x), 3, heads_);
  return proj_(JoinHeads(ScaledDotProductAttention(qkv[0], qkv[1], qkv[2])));
}

LayerScale::LayerScale(int64_t channels, double initial)
    : gamma_(register_parameter("gamma", torch::full({channels}, initial))) {}

TransformerBlock::TransformerBlock(const v1::VisionTransformer& description)
    : norm1_(register_module("norm1", TokenNorm(description))),
      attn_(register_module("attn", std::make_shared<SelfAttention>(description))),
      norm2_(register_module("norm2", TokenNorm(description))),
      mlp_(register_module("mlp", std::make_shared<DenseLayers>(description))) {
  if (!description.layer_scale()) return;
  const double initial = InitialScale(description.depth());
  ls1_ = register_module("ls1", std::make_shared<LayerScale>(description.width(), initial));
  ls2_ = register_module("ls2", std::make_shared<LayerScale>(description.width(), initial));
}

torch::Tensor TransformerBlock::Forward(torch::Tensor x) {
  const torch::Tensor attended = attn_->Forward(Normalise(norm1_, x));
  x = x + (ls1_ != nullptr ? ls1_->Forward(attended) : attended);
  const torch::Tensor dense = mlp_->Forward(Normalise(norm2_, x));
  return x + (ls2_ != nullptr ? ls2_->Forward(dense) : dense);
}

AttentionPool::AttentionPool(const v1::VisionTransformer& description)
    : heads_(description.heads()),
      latent_(register_parameter("latent", torch::empty({1, 1, description.width()}))),
      q_(register_module("q", Linear(description.width(), description.width()))),
      kv_(register_module("kv", Linear(description.width(), 2 * description.width()))),
      proj_(register_module("proj", Linear(description.width(), description.width()))),
      norm_(register_module("norm", TokenNorm(description))),
      mlp_(register_module("mlp", std::make_shared<DenseLayers>(description))) {}

torch::Tensor AttentionPool::Forward(const torch::Tensor& x) {
  const torch::Tensor q = SplitHeads(q_(latent_.expand({x.size(0), 1, -1})), 1, heads_);
  const torch::Tensor kv = SplitHeads(kv_(x), 2, heads_);
  const torch::Tensor y = proj_(JoinHeads(ScaledDotProductAttention(q[0], kv[0], kv[1])));
  return (y + mlp_->Forward(Normalise(norm_, y))).squeeze(1);
}

}  // namespace s2p
