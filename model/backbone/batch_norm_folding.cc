#include "model/backbone/batch_norm_folding.h"

#include <torch/utils.h>

namespace s2p {

FoldedConvolution Unfolded(const torch::nn::Conv2d& convolution) {
  const auto& options = convolution->options;
  FoldedConvolution folded;
  folded.weight = convolution->weight.detach();
  folded.bias = convolution->bias.defined()
                    ? convolution->bias.detach()
                    : torch::zeros({options.out_channels()}, folded.weight.options());
  folded.stride = options.stride()->at(0);
  // All convolutions of the backbones have this padding; the type of the option itself differs
  // between versions.
  folded.padding = options.kernel_size()->at(0) / 2;
  folded.groups = options.groups();
  return folded;
}

FoldedConvolution FoldBatchNorm(const torch::nn::Conv2d& convolution,
                                const torch::nn::BatchNorm2d& norm) {
  const torch::NoGradGuard no_grad;
  FoldedConvolution folded = Unfolded(convolution);
  const torch::Tensor scale =
      norm->weight.to(torch::kFloat64) /
      torch::sqrt(norm->running_var.to(torch::kFloat64) + norm->options.eps());
  const torch::Tensor bias =
      (folded.bias.to(torch::kFloat64) - norm->running_mean.to(torch::kFloat64)) * scale +
      norm->bias.to(torch::kFloat64);
  folded.weight = (folded.weight.to(torch::kFloat64) * scale.view({-1, 1, 1, 1}))
                      .to(torch::kFloat32)
                      .contiguous();
  folded.bias = bias.to(torch::kFloat32);
  return folded;
}

}  // namespace s2p
