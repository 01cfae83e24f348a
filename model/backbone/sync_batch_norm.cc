#include "model/backbone/sync_batch_norm.h"

#include <torch/autograd.h>
#include <torch/utils.h>

#include <utility>

namespace s2p {
namespace {

using torch::Tensor;

// The dimensions that statistics are over.
constexpr int64_t kDimensions[] = {0, 2, 3};
constexpr torch::IntArrayRef kOverRows(kDimensions);

// The statistics of the whole batch, float64: mean and variance [c], and the number of values of a
// channel, [1].
struct Moments {
  Tensor mean, variance, count;
};

// Mean and variance of these rows are accurate to float32 however large the mean is (LibTorch
// computes them by Welford's method); in float64 their sums lose nothing that float32 would show.
Moments MomentsOf(const Tensor& x, StatisticsSum& sum) {
  const int64_t channels = x.size(1);
  const auto options = x.options().dtype(torch::kFloat64);
  Tensor mine = torch::zeros({2 * channels + 1}, options);
  if (x.numel() > 0) {
    const auto [variance, mean] = at::var_mean(x, kOverRows, /*unbiased=*/false);
    const Tensor center = mean.to(torch::kFloat64);
    const Tensor count = torch::full({1}, static_cast<double>(x.numel() / channels), options);
    mine = torch::cat(
        {center * count, (variance.to(torch::kFloat64) + center * center) * count, count});
  }
  const Tensor all = sum.SumStatistics(mine);
  const Tensor count = all.slice(0, 2 * channels);
  const Tensor mean = all.slice(0, 0, channels) / count;
  const Tensor variance = all.slice(0, channels, 2 * channels) / count - mean * mean;
  return {mean, variance.clamp_min(0), count};
}

// [c] float64 -> [c, 1, 1] float32, a value for each channel.
Tensor PerChannel(const Tensor& values) { return values.to(torch::kFloat32).view({-1, 1, 1}); }

// y = weight (x - mean) / deviation + bias, with the gradient of a mean and a deviation that the
// rows of all processes have made.
class Normalisation : public torch::autograd::Function<Normalisation> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& weight, const Tensor& bias, const Moments& moments,
                        double epsilon, StatisticsSum* sum) {
    const Tensor inverse = (moments.variance + epsilon).rsqrt();
    context->save_for_backward({x, weight, moments.mean, inverse, moments.count});
    // A saved value cannot be a pointer.
    context->saved_data["sum"] = reinterpret_cast<int64_t>(sum);
    const Tensor scale = weight.to(torch::kFloat64) * inverse;
    const Tensor shift = bias.to(torch::kFloat64) - moments.mean * scale;
    return x.to(torch::kFloat32).mul(PerChannel(scale)).add_(PerChannel(shift)).to(x.scalar_type());
  }

  static torch::autograd::tensor_list backward(torch::autograd::AutogradContext* context,
                                               const torch::autograd::tensor_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &inverse = saved[3], &count = saved[4];
    auto* sum = reinterpret_cast<StatisticsSum*>(context->saved_data["sum"].toInt());
    const Tensor dy = gradients[0].to(torch::kFloat32);
    const Tensor centered = x.to(torch::kFloat32) - PerChannel(saved[2]);
    // With x' = (x - mean) / deviation: the sums over rows of dy, and of dy x'.
    const Tensor of_bias = dy.sum(kOverRows, /*keepdim=*/false, torch::kFloat64);
    const Tensor of_weight =
        (dy * centered).sum(kOverRows, /*keepdim=*/false, torch::kFloat64) * inverse;
    const auto means = (sum->SumStatistics(torch::cat({of_bias, of_weight})) / count).chunk(2);
    // dx = weight / deviation (dy - mean(dy) - x' mean(dy x')).
    const Tensor scale = weight.to(torch::kFloat64) * inverse;
    const Tensor dx = dy.mul(PerChannel(scale))
                          .sub_(centered.mul(PerChannel(scale * inverse * means[1])))
                          .sub_(PerChannel(scale * means[0]));
    const Tensor none;
    return {dx.to(x.scalar_type()),
            of_weight.to(weight.scalar_type()),
            of_bias.to(weight.scalar_type()),
            none,
            none,
            none};
  }
};

}  // namespace

SyncBatchNorm2d::SyncBatchNorm2d(torch::nn::BatchNorm2d layer) : layer_(std::move(layer)) {}

torch::Tensor SyncBatchNorm2d::operator()(const torch::Tensor& x) {
  if (sum_ == nullptr || !layer_->is_training()) return layer_(x);
  return ForwardShared(x);
}

// Counts as LibTorch's own layer does.
double SyncBatchNorm2d::CountBatch() {
  layer_->num_batches_tracked += 1;
  const auto momentum = layer_->options.momentum();
  return momentum ? *momentum : 1.0 / layer_->num_batches_tracked.item<double>();
}

torch::Tensor SyncBatchNorm2d::ForwardShared(const torch::Tensor& x) {
  Moments moments;
  {
    torch::NoGradGuard no_grad;
    moments = MomentsOf(x.detach().to(torch::kFloat32), *sum_);
    const double share = CountBatch();
    const Tensor unbiased = moments.variance * (moments.count / (moments.count - 1).clamp_min(1));
    const auto take = [share](Tensor& running, const Tensor& of_batch) {
      running.copy_(running.to(torch::kFloat64) * (1 - share) + of_batch * share);
    };
    take(layer_->running_mean, moments.mean);
    take(layer_->running_var, unbiased);
  }
  return Normalisation::apply(x, layer_->weight, layer_->bias, moments, layer_->options.eps(),
                              sum_);
}

}  // namespace s2p
