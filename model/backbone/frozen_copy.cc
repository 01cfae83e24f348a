#include "model/backbone/frozen_copy.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <utility>

#include "base/check.h"
#include "model/torch_version.h"

namespace s2p {
namespace {

void CopyTensors(const torch::OrderedDict<std::string, torch::Tensor>& from,
                 torch::OrderedDict<std::string, torch::Tensor> to) {
  for (const auto& tensor : from) to[tensor.key()].copy_(tensor.value());
}

// Converts the weights that inputs are multiplied with, and no others.
void ConvertProducts(torch::nn::Module& network, torch::ScalarType type) {
  for (const auto& module : network.modules()) {
    const bool is_product = module->as<torch::nn::LinearImpl>() != nullptr ||
                            module->as<torch::nn::Conv2dImpl>() != nullptr;
    if (is_product) module->to(type);
  }
}

}  // namespace

void CopyWeights(const torch::nn::Module& from, torch::nn::Module& to) {
  const torch::NoGradGuard no_grad;
  CopyTensors(from.named_parameters(), to.named_parameters());
  CopyTensors(from.named_buffers(), to.named_buffers());
}

FrozenCopy::FrozenCopy(std::shared_ptr<Backbone> network, const FrozenOptions& options)
    : layout_(options.layout),
      type_(options.type),
      device_(options.device),
      network_(std::move(network)) {
  S2P_CHECK(layout_ != TensorLayout::kOneDnn);
  network_->eval();
  if (type_ == torch::kBFloat16) {
    network_->to(device_);
    ConvertProducts(*network_, type_);
  } else {
    network_->to(device_, type_);
  }
  for (torch::Tensor& parameter : network_->parameters()) {
    parameter.set_requires_grad(false);
    if (layout_ == TensorLayout::kChannelsLast && parameter.dim() == 4) {
      parameter.set_data(parameter.data().contiguous(torch::MemoryFormat::ChannelsLast));
    }
  }
}

FeatureMaps FrozenCopy::Forward(const torch::Tensor& images, bool want_before_last) const {
  const Bf16Autocast autocast(type_ == torch::kBFloat16, device_.type());
  torch::Tensor x = images.to(type_);
  if (layout_ == TensorLayout::kChannelsLast) x = x.contiguous(torch::MemoryFormat::ChannelsLast);
  FeatureMaps maps = network_->Forward(x);
  maps.last = maps.last.to(torch::kFloat32);
  maps.before_last = want_before_last ? maps.before_last.to(torch::kFloat32) : torch::Tensor();
  if (maps.summary.defined()) maps.summary = maps.summary.to(torch::kFloat32);
  return maps;
}

uint64_t FrozenCopy::bytes() const {
  uint64_t bytes = 0;
  for (const torch::Tensor& tensor : network_->parameters()) bytes += tensor.nbytes();
  for (const torch::Tensor& tensor : network_->buffers()) bytes += tensor.nbytes();
  return bytes;
}

}  // namespace s2p
