#include "model/backbone/folded_backbone.h"

#include <array>

#include "base/check.h"

namespace s2p {
namespace {

template <typename Function>
void ForEachConvolution(FoldedNetwork& network, const Function& function) {
  function(network.stem);
  for (FoldedBlock& block : network.blocks) {
    for (FoldedConvolution& convolution : block.convolutions) function(convolution);
    for (FoldedConvolution& convolution : block.excitation) function(convolution);
    if (block.downsample) function(*block.downsample);
  }
}

}  // namespace

bool FoldedBackbone::Supports(bool has_excitation, TensorLayout layout, torch::Device device) {
  if (layout != TensorLayout::kOneDnn) return true;
  // LibTorch cannot scale channels of a tensor in oneDNN's layout.
  return device.is_cpu() && at::hasMKLDNN() && !has_excitation;
}

FoldedBackbone::FoldedBackbone(const FoldedNetwork& network, const FrozenOptions& options)
    : layout_(options.layout), type_(options.type), device_(options.device), network_(network) {
  const bool has_excitation = !network.blocks.empty() && !network.blocks[0].excitation.empty();
  S2P_CHECK(Supports(has_excitation, layout_, device_));
  const torch::NoGradGuard no_grad;
  ForEachConvolution(network_,
                     [this](FoldedConvolution& convolution) { convolution = Placed(convolution); });
}

FoldedConvolution FoldedBackbone::Placed(const FoldedConvolution& convolution) const {
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

torch::Tensor FoldedBackbone::Convolve(const torch::Tensor& x,
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

torch::Tensor FoldedBackbone::Apply(const torch::Tensor& x, const FoldedBlock& block) const {
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

torch::Tensor FoldedBackbone::Plain(const torch::Tensor& x) const {
  const torch::Tensor dense = layout_ == TensorLayout::kOneDnn ? x.to_dense() : x;
  return dense.to(torch::kFloat32);
}

FeatureMaps FoldedBackbone::Forward(const torch::Tensor& images, bool want_before_last) const {
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

uint64_t FoldedBackbone::bytes() const {
  uint64_t bytes = 0;
  FoldedNetwork network = network_;
  ForEachConvolution(network, [&bytes](const FoldedConvolution& convolution) {
    bytes += static_cast<uint64_t>(convolution.weight.numel()) * convolution.weight.element_size();
    bytes += static_cast<uint64_t>(convolution.bias.numel()) * convolution.bias.element_size();
  });
  return bytes;
}

}  // namespace s2p
