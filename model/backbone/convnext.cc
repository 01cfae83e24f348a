#include "model/backbone/convnext.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/backbone/frozen_copy.h"
#include "model/backbone/layer_norm.h"

namespace s2p {
namespace {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;
using torch::nn::LayerNorm;
using torch::nn::LayerNormOptions;
using torch::nn::Linear;

constexpr double kNormEpsilon = 1e-6;
constexpr double kInitialGamma = 1e-6;
constexpr double kInitialDeviation = 0.02;
constexpr int kExpansion = 4;

LayerNorm Norm(int channels) { return LayerNorm(LayerNormOptions({channels}).eps(kNormEpsilon)); }

// [n, c, h, w] -> [n, h, w, c] and back.
torch::Tensor ChannelsBehind(const torch::Tensor& x) { return x.permute({0, 2, 3, 1}); }
torch::Tensor ChannelsBefore(const torch::Tensor& x) { return x.permute({0, 3, 1, 2}); }

// A convolution whose kernels do not overlap, and a norm: after it in the stem, else before it.
class Downsampling : public torch::nn::Module {
 public:
  Downsampling(int in, int out, int kernel, bool is_stem) : is_stem_(is_stem) {
    conv_ = Conv2d(Conv2dOptions(in, out, kernel).stride(kernel));
    norm_ = Norm(is_stem ? out : in);
    register_module(is_stem ? "0" : "1", conv_);
    register_module(is_stem ? "1" : "0", norm_);
  }
  torch::Tensor Forward(const torch::Tensor& x) {
    return is_stem_ ? Normed(conv_(x)) : conv_(Normed(x));
  }

 private:
  torch::Tensor Normed(const torch::Tensor& x) {
    return ChannelsBefore(Normalise(norm_, ChannelsBehind(x)));
  }

  const bool is_stem_;
  Conv2d conv_{nullptr};
  LayerNorm norm_{nullptr};
};

// y = x + gamma * dense layers(norm(7x7 convolution per channel(x))).
class Block : public torch::nn::Module {
 public:
  explicit Block(int channels)
      : gamma_(register_parameter("gamma", torch::full({channels}, kInitialGamma))),
        dwconv_(register_module(
            "dwconv", Conv2d(Conv2dOptions(channels, channels, 7).padding(3).groups(channels)))),
        norm_(register_module("norm", Norm(channels))),
        pwconv1_(register_module("pwconv1", Linear(channels, kExpansion * channels))),
        pwconv2_(register_module("pwconv2", Linear(kExpansion * channels, channels))) {}
  torch::Tensor Forward(const torch::Tensor& x) {
    const torch::Tensor y = Normalise(norm_, ChannelsBehind(dwconv_(x)));
    return x + ChannelsBefore(gamma_ * pwconv2_(torch::gelu(pwconv1_(y))));
  }

 private:
  torch::Tensor gamma_;
  Conv2d dwconv_;
  LayerNorm norm_;
  Linear pwconv1_;
  Linear pwconv2_;
};

class ConvNext final : public Backbone {
 public:
  ConvNext(const ConvNextLayout& layout, int last_stage) : layout_(layout) {
    const auto downsamplings = std::make_shared<torch::nn::Module>();
    const auto stages = std::make_shared<torch::nn::Module>();
    for (int s = 0; s < last_stage; ++s) {
      const int channels = layout.channels[s];
      downsamplings_.push_back(downsamplings->register_module(
          absl::StrCat(s),
          s == 0 ? std::make_shared<Downsampling>(3, channels, 4, true)
                 : std::make_shared<Downsampling>(layout.channels[s - 1], channels, 2, false)));
      const auto stage =
          stages->register_module(absl::StrCat(s), std::make_shared<torch::nn::Module>());
      std::vector<std::shared_ptr<Block>>& blocks = stages_.emplace_back();
      for (int b = 0; b < layout.blocks[s]; ++b) {
        blocks.push_back(
            stage->register_module(absl::StrCat(b), std::make_shared<Block>(channels)));
      }
    }
    register_module("downsample_layers", downsamplings);
    register_module("stages", stages);
    if (last_stage == 4) norm_ = register_module("norm", Norm(layout.channels[3]));
  }

  // Truncated normal in the paper; values beyond its bounds of 100 deviations never occur.
  void Initialise() {
    const torch::NoGradGuard no_grad;
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* conv = module->as<torch::nn::Conv2dImpl>()) {
        conv->weight.normal_(0, kInitialDeviation);
        conv->bias.zero_();
      } else if (auto* linear = module->as<torch::nn::LinearImpl>()) {
        linear->weight.normal_(0, kInitialDeviation);
        linear->bias.zero_();
      }
    }
  }

  FeatureMaps Forward(const torch::Tensor& images) override {
    FeatureMaps maps;
    torch::Tensor x = images;
    for (size_t s = 0; s < stages_.size(); ++s) {
      maps.before_last = x;
      x = downsamplings_[s]->Forward(x);
      for (const auto& block : stages_[s]) x = block->Forward(x);
    }
    maps.last = x;
    if (!norm_.is_empty()) maps.summary = Normalise(norm_, x.mean({2, 3}));
    return maps;
  }

  int channels() const override { return layout_.channels[stages_.size() - 1]; }

  std::vector<std::shared_ptr<torch::nn::Module>> Stages() override {
    std::vector<std::shared_ptr<torch::nn::Module>> stages = {downsamplings_[0]};
    for (size_t s = 0; s < stages_.size(); ++s) {
      const auto stage = std::make_shared<torch::nn::Module>();
      if (s > 0) stage->register_module("downsampling", downsamplings_[s]);
      for (const auto& block : stages_[s]) {
        stage->register_module(absl::StrCat(stage->children().size()), block);
      }
      if (s == 3) stage->register_module("norm", norm_);
      stages.push_back(stage);
    }
    return stages;
  }

  bool Supports(TensorLayout layout, torch::Device) const override {
    return layout != TensorLayout::kOneDnn;
  }

  std::unique_ptr<const FrozenBackbone> Freeze(const FrozenOptions& options) const override {
    // The copy's tensors must be ordinary ones, which any thread may use.
    const c10::InferenceMode ordinary(false);
    const auto copy = std::make_shared<ConvNext>(layout_, static_cast<int>(stages_.size()));
    CopyWeights(*this, *copy);
    return std::make_unique<const FrozenCopy>(copy, options);
  }

 private:
  const ConvNextLayout layout_;
  std::vector<std::shared_ptr<Downsampling>> downsamplings_;
  std::vector<std::vector<std::shared_ptr<Block>>> stages_;
  // Null without stage 4.
  LayerNorm norm_{nullptr};
};

}  // namespace

std::shared_ptr<Backbone> CreateConvNext(const ConvNextLayout& layout, int last_stage) {
  auto network = std::make_shared<ConvNext>(layout, last_stage);
  network->Initialise();
  return network;
}

}  // namespace s2p
