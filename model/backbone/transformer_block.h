// The parts of a vision transformer that work on tokens.
#ifndef S2P_MODEL_BACKBONE_TRANSFORMER_BLOCK_H_
#define S2P_MODEL_BACKBONE_TRANSFORMER_BLOCK_H_

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

torch::nn::LayerNorm TokenNorm(const v1::VisionTransformer& description);

// fc2(activation(fc1(x))).
class DenseLayers : public torch::nn::Module {
 public:
  explicit DenseLayers(const v1::VisionTransformer& description);
  torch::Tensor Forward(const torch::Tensor& x);

 private:
  const v1::Activation activation_;
  torch::nn::Linear fc1_;
  torch::nn::Linear fc2_;
};

// Multi-head self-attention (Vaswani et al., NeurIPS 2017).
class SelfAttention : public torch::nn::Module {
 public:
  explicit SelfAttention(const v1::VisionTransformer& description);
  torch::Tensor Forward(const torch::Tensor& x);

 private:
  const int64_t heads_;
  // The rows of q, then k, then v; head by head within each.
  torch::nn::Linear qkv_;
  torch::nn::Linear proj_;
};

// A factor per channel.
class LayerScale : public torch::nn::Module {
 public:
  LayerScale(int64_t channels, double initial);
  torch::Tensor Forward(const torch::Tensor& x) { return x * gamma_; }

 private:
  torch::Tensor gamma_;
};

// [n, tokens, width] -> the same: attention, then dense layers, each after a norm and added to its
// input.
class TransformerBlock : public torch::nn::Module {
 public:
  explicit TransformerBlock(const v1::VisionTransformer& description);
  torch::Tensor Forward(torch::Tensor x);

 private:
  torch::nn::LayerNorm norm1_;
  std::shared_ptr<SelfAttention> attn_;
  // Null without layer scale.
  std::shared_ptr<LayerScale> ls1_;
  torch::nn::LayerNorm norm2_;
  std::shared_ptr<DenseLayers> mlp_;
  std::shared_ptr<LayerScale> ls2_;
};

// [n, tokens, width] -> [n, width]: attention of one learned query over all tokens, then dense
// layers (Zhai et al., "Scaling vision transformers", CVPR 2022).
class AttentionPool : public torch::nn::Module {
 public:
  explicit AttentionPool(const v1::VisionTransformer& description);
  torch::Tensor Forward(const torch::Tensor& x);

 private:
  const int64_t heads_;
  torch::Tensor latent_;
  torch::nn::Linear q_;
  // The rows of k, then v.
  torch::nn::Linear kv_;
  torch::nn::Linear proj_;
  torch::nn::LayerNorm norm_;
  std::shared_ptr<DenseLayers> mlp_;
};

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_TRANSFORMER_BLOCK_H_
