#include "model/backbone/residual_network.h"

#include <torch/nn/functional/pooling.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "model/backbone/batch_norm_folding.h"
#include "model/backbone/folded_backbone.h"
#include "model/backbone/sync_batch_norm.h"

namespace s2p {
namespace {

using torch::nn::BatchNorm2d;
using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;

// No biases: a batch norm follows every convolution.
Conv2d Conv(int in, int out, int kernel, int stride = 1, int groups = 1) {
  return Conv2d(
      Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2).groups(groups).bias(false));
}

// A convolution and a batch norm for the shortcut, under the names "0" and "1".
class Downsample : public torch::nn::Module {
 public:
  Downsample(int in, int out, int stride)
      : conv_(register_module("0", Conv(in, out, 1, stride))),
        norm_(register_module("1", BatchNorm2d(out))) {}
  torch::Tensor Forward(const torch::Tensor& x) { return norm_(conv_(x)); }
  void ShareStatistics(StatisticsSum* sum) { norm_.ShareStatistics(sum); }
  FoldedConvolution Folded() const { return FoldBatchNorm(conv_, norm_.layer()); }

 private:
  Conv2d conv_;
  SyncBatchNorm2d norm_;
};

// Squeeze and excitation (Hu et al., CVPR 2018): scales each channel by a factor computed from the
// means of all channels.
class SqueezeExcitation : public torch::nn::Module {
 public:
  static constexpr int kReduction = 16;

  explicit SqueezeExcitation(int channels)
      : fc1_(register_module("fc1", Conv2d(Conv2dOptions(channels, channels / kReduction, 1)))),
        fc2_(register_module("fc2", Conv2d(Conv2dOptions(channels / kReduction, channels, 1)))) {}
  torch::Tensor Forward(const torch::Tensor& x) {
    const torch::Tensor means = torch::adaptive_avg_pool2d(x, {1, 1});
    return x * torch::sigmoid(fc2_(torch::relu(fc1_(means))));
  }
  std::vector<FoldedConvolution> Folded() const { return {Unfolded(fc1_), Unfolded(fc2_)}; }

 private:
  Conv2d fc1_;
  Conv2d fc2_;
};

// Output channels per plane.
int Expansion(ResidualBlock kind) { return kind == ResidualBlock::kBasic ? 1 : 4; }

// Two 3x3 convolutions, or a 3x3 between two 1x1, next to a shortcut.
class Block : public torch::nn::Module {
 public:
  Block(ResidualBlock kind, int in, int planes, int stride) {
    const int out = planes * Expansion(kind);
    if (kind == ResidualBlock::kBasic) {
      AddLayer(Conv(in, planes, 3, stride), planes);
      AddLayer(Conv(planes, planes, 3), planes);
    } else {
      const bool resnext = kind == ResidualBlock::kSqueezeExcitation;
      // 32 groups of width 4 in the first stage: twice the planes of a plain bottleneck.
      const int width = resnext ? planes * 2 : planes;
      const bool first_has_stride = kind == ResidualBlock::kCaffeBottleneck;
      AddLayer(Conv(in, width, 1, first_has_stride ? stride : 1), width);
      AddLayer(Conv(width, width, 3, first_has_stride ? 1 : stride, resnext ? 32 : 1), width);
      AddLayer(Conv(width, out, 1), out);
    }
    if (kind == ResidualBlock::kSqueezeExcitation) {
      excitation_ = register_module("se_module", std::make_shared<SqueezeExcitation>(out));
    }
    if (stride != 1 || in != out) {
      downsample_ = register_module("downsample", std::make_shared<Downsample>(in, out, stride));
    }
  }

  torch::Tensor Forward(const torch::Tensor& x) {
    torch::Tensor y = x;
    for (size_t i = 0; i < convs_.size(); ++i) {
      y = norms_[i](convs_[i](y));
      if (i + 1 < convs_.size()) y = torch::relu_(y);
    }
    if (excitation_ != nullptr) y = excitation_->Forward(y);
    return torch::relu(y + (downsample_ != nullptr ? downsample_->Forward(x) : x));
  }
  void ShareStatistics(StatisticsSum* sum) {
    for (SyncBatchNorm2d& norm : norms_) norm.ShareStatistics(sum);
    if (downsample_ != nullptr) downsample_->ShareStatistics(sum);
  }
  FoldedBlock Folded() const {
    FoldedBlock folded;
    for (size_t i = 0; i < convs_.size(); ++i) {
      folded.convolutions.push_back(FoldBatchNorm(convs_[i], norms_[i].layer()));
    }
    if (excitation_ != nullptr) folded.excitation = excitation_->Folded();
    if (downsample_ != nullptr) folded.downsample = downsample_->Folded();
    return folded;
  }

 private:
  void AddLayer(Conv2d conv, int channels) {
    const size_t number = convs_.size() + 1;
    convs_.push_back(register_module(absl::StrCat("conv", number), std::move(conv)));
    norms_.emplace_back(register_module(absl::StrCat("bn", number), BatchNorm2d(channels)));
  }

  std::vector<Conv2d> convs_;
  std::vector<SyncBatchNorm2d> norms_;
  std::shared_ptr<SqueezeExcitation> excitation_;
  std::shared_ptr<Downsample> downsample_;
};

// Blocks under the names "0", "1", ...
class Stage : public torch::nn::Module {
 public:
  Stage(ResidualBlock kind, int blocks, int in, int planes, int stride) {
    for (int i = 0; i < blocks; ++i) {
      blocks_.push_back(register_module(
          absl::StrCat(i), std::make_shared<Block>(kind, in, planes, i == 0 ? stride : 1)));
      in = planes * Expansion(kind);
    }
  }
  torch::Tensor Forward(torch::Tensor x) {
    for (const auto& block : blocks_) x = block->Forward(x);
    return x;
  }
  const std::vector<std::shared_ptr<Block>>& blocks() const { return blocks_; }

 private:
  std::vector<std::shared_ptr<Block>> blocks_;
};

// Everything before the first stage: stride 4.
class Stem : public torch::nn::Module {
 public:
  explicit Stem(bool ceil_pool)
      : conv(register_module("conv1",
                             Conv2d(Conv2dOptions(3, 64, 7).stride(2).padding(3).bias(false)))),
        norm(register_module("bn1", BatchNorm2d(64))),
        ceil_pool_(ceil_pool) {}
  torch::Tensor Forward(const torch::Tensor& x) {
    const torch::Tensor y = torch::relu(norm(conv(x)));
    return ceil_pool_ ? torch::max_pool2d(y, 3, 2, 0, 1, true) : torch::max_pool2d(y, 3, 2, 1);
  }
  bool ceil_pool() const { return ceil_pool_; }

  Conv2d conv;
  SyncBatchNorm2d norm;

 private:
  const bool ceil_pool_;
};

class ResidualNetwork final : public Backbone {
 public:
  ResidualNetwork(const ResidualLayout& layout, int last_stage, int last_stride)
      : block_(layout.block), expansion_(Expansion(layout.block)) {
    const bool release_names = layout.block == ResidualBlock::kSqueezeExcitation;
    stem_ = std::make_shared<Stem>(
        /*ceil_pool=*/release_names || layout.block == ResidualBlock::kCaffeBottleneck);
    if (release_names) {
      register_module("layer0", stem_);
    } else {
      // In torchvision, the stem's layers are siblings of the stages.
      register_module("conv1", stem_->conv);
      register_module("bn1", stem_->norm.layer());
    }
    int in = 64;
    for (int s = 1; s <= last_stage; ++s) {
      const int planes = 64 << (s - 1);
      const int stride = s == 1 ? 1 : s == 4 ? last_stride : 2;
      stages_.push_back(register_module(
          absl::StrCat("layer", s),
          std::make_shared<Stage>(layout.block, layout.blocks[s - 1], in, planes, stride)));
      in = planes * expansion_;
    }
    Initialise();
  }

  FeatureMaps Forward(const torch::Tensor& images) override {
    FeatureMaps maps;
    torch::Tensor x = stem_->Forward(images);
    for (size_t i = 0; i < stages_.size(); ++i) {
      if (i + 1 == stages_.size()) maps.before_last = x;
      x = stages_[i]->Forward(x);
    }
    maps.last = x;
    return maps;
  }

  int channels() const override { return (32 << stages_.size()) * expansion_; }

  std::vector<std::shared_ptr<torch::nn::Module>> Stages() override {
    std::vector<std::shared_ptr<torch::nn::Module>> stages = {stem_};
    stages.insert(stages.end(), stages_.begin(), stages_.end());
    return stages;
  }

  void ShareStatistics(StatisticsSum* sum) override {
    stem_->norm.ShareStatistics(sum);
    for (const auto& stage : stages_) {
      for (const auto& block : stage->blocks()) block->ShareStatistics(sum);
    }
  }

  bool Supports(TensorLayout layout, torch::Device device) const override {
    return FoldedBackbone::Supports(block_ == ResidualBlock::kSqueezeExcitation, layout, device);
  }

  std::unique_ptr<const FrozenBackbone> Freeze(const FrozenOptions& options) const override {
    return std::make_unique<const FoldedBackbone>(Folded(), options);
  }

 private:
  // The current weights for evaluation mode, with batch norms folded.
  FoldedNetwork Folded() const {
    FoldedNetwork folded;
    folded.stem = FoldBatchNorm(stem_->conv, stem_->norm.layer());
    folded.ceil_pool = stem_->ceil_pool();
    for (const auto& stage : stages_) {
      folded.last_stage = folded.blocks.size();
      for (const auto& block : stage->blocks()) folded.blocks.push_back(block->Folded());
    }
    return folded;
  }

  // He normal over the outputs; batch norms keep LibTorch's initial values, 1 and 0.
  void Initialise() {
    torch::NoGradGuard no_grad;
    for (const auto& module : modules(/*include_self=*/false)) {
      if (auto* conv = module->as<torch::nn::Conv2dImpl>()) {
        torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanOut, torch::kReLU);
      }
    }
  }

  const ResidualBlock block_;
  const int expansion_;
  std::shared_ptr<Stem> stem_;
  std::vector<std::shared_ptr<Stage>> stages_;
};

}  // namespace

std::shared_ptr<Backbone> CreateResidualNetwork(const ResidualLayout& layout, int last_stage,
                                                int last_stride) {
  return std::make_shared<ResidualNetwork>(layout, last_stage, last_stride);
}

}  // namespace s2p
