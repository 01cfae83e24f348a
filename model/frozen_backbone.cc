#include "model/frozen_backbone.h"

#include <torch/cuda.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/steady_time.h"

namespace s2p {
namespace {

// The batch sizes with which layouts are timed.
constexpr int kMeasuredBatches[] = {1, 4};
constexpr int kMeasuredPasses = 3;

constexpr std::array<std::pair<TensorLayout, absl::string_view>, 3> kLayoutNames = {{
    {TensorLayout::kContiguous, "contiguous"},
    {TensorLayout::kChannelsLast, "channels_last"},
    {TensorLayout::kOneDnn, "onednn"},
}};

template <typename Function>
void ForEachConvolution(FoldedNetwork& network, const Function& function) {
  function(network.stem);
  for (FoldedBlock& block : network.blocks) {
    for (FoldedConvolution& convolution : block.convolutions) function(convolution);
    for (FoldedConvolution& convolution : block.excitation) function(convolution);
    if (block.downsample) function(*block.downsample);
  }
}

// Blocks until the device has finished the work submitted to it.
void WaitFor(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

absl::Duration TimeOf(const FrozenBackbone& backbone, const torch::Tensor& images) {
  absl::Duration best = absl::InfiniteDuration();
  // The first pass is a warm-up.
  for (int pass = 0; pass <= kMeasuredPasses; ++pass) {
    const SteadyTime start = SteadyTime::Now();
    backbone.Forward(images, /*want_before_last=*/false);
    WaitFor(images.device());
    if (pass > 0) best = std::min(best, SteadyTime::Now() - start);
  }
  return best;
}

}  // namespace

absl::string_view NameOf(TensorLayout layout) {
  for (const auto& [known, name] : kLayoutNames) {
    if (known == layout) return name;
  }
  return "";
}

std::optional<TensorLayout> LayoutOf(absl::string_view name) {
  for (const auto& [layout, known] : kLayoutNames) {
    if (known == name) return layout;
  }
  return std::nullopt;
}

bool FrozenBackbone::Supports(const FoldedNetwork& network, TensorLayout layout,
                              torch::Device device) {
  if (layout != TensorLayout::kOneDnn) return true;
  if (!device.is_cpu() || !at::hasMKLDNN()) return false;
  // LibTorch cannot scale channels of a tensor in oneDNN's layout.
  for (const FoldedBlock& block : network.blocks) {
    if (!block.excitation.empty()) return false;
  }
  return true;
}

FrozenBackbone::FrozenBackbone(const FoldedNetwork& network, TensorLayout layout,
                               torch::ScalarType type, torch::Device device)
    : layout_(layout), type_(type), device_(device), network_(network) {
  S2P_CHECK(Supports(network, layout, device));
  const torch::NoGradGuard no_grad;
  ForEachConvolution(network_,
                     [this](FoldedConvolution& convolution) { convolution = Placed(convolution); });
}

FoldedConvolution FrozenBackbone::Placed(const FoldedConvolution& convolution) const {
  FoldedConvolution placed = convolution;
  placed.weight = convolution.weight.to(device_, type_);
  placed.bias = convolution.bias.to(device_, type_);
  if (layout_ == TensorLayout::kChannelsLast) {
    placed.weight = placed.weight.contiguous(at::MemoryFormat::ChannelsLast);
  } else if (layout_ == TensorLayout::kOneDnn) {
    const std::array<int64_t, 2> padding = {placed.padding, placed.padding};
    const std::array<int64_t, 2> stride = {placed.stride, placed.stride};
    const std::array<int64_t, 2> dilation = {1, 1};
    placed.weight = at::mkldnn_reorder_conv2d_weight(placed.weight.to_mkldnn(), padding, stride,
                                                     dilation, placed.groups);
  }
  return placed;
}

torch::Tensor FrozenBackbone::Convolve(const torch::Tensor& x,
                                       const FoldedConvolution& convolution) const {
  const std::array<int64_t, 2> padding = {convolution.padding, convolution.padding};
  const std::array<int64_t, 2> stride = {convolution.stride, convolution.stride};
  const std::array<int64_t, 2> dilation = {1, 1};
  if (layout_ == TensorLayout::kOneDnn) {
    return at::mkldnn_convolution(x, convolution.weight, convolution.bias, padding, stride,
                                  dilation, convolution.groups);
  }
  return at::conv2d(x, convolution.weight, convolution.bias, stride, padding, dilation,
                    convolution.groups);
}

torch::Tensor FrozenBackbone::Apply(const torch::Tensor& x, const FoldedBlock& block) const {
  torch::Tensor y = x;
  for (size_t i = 0; i < block.convolutions.size(); ++i) {
    y = Convolve(y, block.convolutions[i]);
    if (i + 1 < block.convolutions.size()) y = y.relu_();
  }
  if (!block.excitation.empty()) {
    torch::Tensor scale = at::adaptive_avg_pool2d(y, {1, 1});
    scale = Convolve(scale, block.excitation[0]).relu_();
    y = y * torch::sigmoid(Convolve(scale, block.excitation[1]));
  }
  y = y.add_(block.downsample ? Convolve(x, *block.downsample) : x);
  return y.relu_();
}

torch::Tensor FrozenBackbone::Plain(const torch::Tensor& x) const {
  const torch::Tensor dense = layout_ == TensorLayout::kOneDnn ? x.to_dense() : x;
  return dense.to(torch::kFloat32);
}

FeatureMaps FrozenBackbone::Forward(const torch::Tensor& images, bool want_before_last) const {
  torch::Tensor x = images.to(type_);
  if (layout_ == TensorLayout::kChannelsLast) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  if (layout_ == TensorLayout::kOneDnn) x = x.to_mkldnn();
  x = Convolve(x, network_.stem).relu_();
  x = network_.ceil_pool ? at::max_pool2d(x, 3, 2, 0, 1, true) : at::max_pool2d(x, 3, 2, 1);
  FeatureMaps maps;
  for (size_t i = 0; i < network_.blocks.size(); ++i) {
    if (want_before_last && i == network_.last_stage) maps.before_last = Plain(x);
    x = Apply(x, network_.blocks[i]);
  }
  maps.last = Plain(x);
  return maps;
}

uint64_t FrozenBackbone::bytes() const {
  uint64_t bytes = 0;
  FoldedNetwork network = network_;
  ForEachConvolution(network, [&bytes](const FoldedConvolution& convolution) {
    bytes += static_cast<uint64_t>(convolution.weight.numel()) * convolution.weight.element_size();
    bytes += static_cast<uint64_t>(convolution.bias.numel()) * convolution.bias.element_size();
  });
  return bytes;
}

absl::StatusOr<TensorLayout> ChooseLayout(const FoldedNetwork& network, const std::string& name,
                                          torch::ScalarType type, int height, int width,
                                          torch::Device device) {
  if (name != "auto") {
    const std::optional<TensorLayout> layout = LayoutOf(name);
    if (!layout) {
      return absl::InvalidArgumentError(absl::StrCat(
          "layout: '", name, "' is neither auto, contiguous, channels_last nor onednn"));
    }
    if (FrozenBackbone::Supports(network, *layout, device)) return *layout;
    return absl::InvalidArgumentError(absl::StrCat(
        "layout: '", name, "' is not available for this network on ", device.str(), "; use auto"));
  }
  const c10::InferenceMode inference;
  TensorLayout fastest = TensorLayout::kContiguous;
  absl::Duration least = absl::InfiniteDuration();
  for (const auto& [layout, layout_name] : kLayoutNames) {
    if (!FrozenBackbone::Supports(network, layout, device)) continue;
    const FrozenBackbone backbone(network, layout, type, device);
    absl::Duration sum;
    for (int count : kMeasuredBatches) {
      const auto images = torch::zeros({count, 3, height, width}, device);
      sum += TimeOf(backbone, images) / count;
    }
    if (sum >= least) continue;
    least = sum;
    fastest = layout;
  }
  return fastest;
}

}  // namespace s2p
