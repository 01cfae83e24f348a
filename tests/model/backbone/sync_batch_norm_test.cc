#include "model/backbone/sync_batch_norm.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace s2p {
namespace {

// Adds up what two threads bring, as two processes would.
class SumOfTwo {
 public:
  torch::Tensor Add(const torch::Tensor& mine) {
    absl::MutexLock lock(&mutex_);
    const int round = round_;
    if (waiting_) {
      // Stays until both come again, so the other one can still read it.
      sum_ = first_ + mine;
      ++round_;
    } else {
      first_ = mine;
    }
    waiting_ = !waiting_;
    const auto is_over = [this, round]()
                             ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return round_ != round; };
    mutex_.Await(absl::Condition(&is_over));
    return sum_.clone();
  }

 private:
  absl::Mutex mutex_;
  torch::Tensor first_ ABSL_GUARDED_BY(mutex_);
  torch::Tensor sum_ ABSL_GUARDED_BY(mutex_);
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  int round_ ABSL_GUARDED_BY(mutex_) = 0;
};

class OneOfTwo : public StatisticsSum {
 public:
  explicit OneOfTwo(SumOfTwo& both) : both_(both) {}
  torch::Tensor SumStatistics(const torch::Tensor& mine) override { return both_.Add(mine); }

 private:
  SumOfTwo& both_;
};

// A sum over this process alone.
class Alone : public StatisticsSum {
 public:
  torch::Tensor SumStatistics(const torch::Tensor& mine) override { return mine.clone(); }
};

torch::nn::BatchNorm2d Layer() {
  torch::nn::BatchNorm2d layer(3);
  torch::NoGradGuard no_grad;
  layer->weight.copy_(torch::tensor({0.5f, 1.0f, -2.0f}));
  layer->bias.copy_(torch::tensor({0.1f, 0.0f, 3.0f}));
  return layer;
}

// The results of one pass with the gradient of a loss that weighs each value differently.
struct Pass {
  torch::Tensor y, dx, weight, bias, mean, variance;
};

Pass Train(torch::nn::BatchNorm2d layer, StatisticsSum* sum, const torch::Tensor& images,
           const torch::Tensor& factors) {
  SyncBatchNorm2d norm(layer);
  norm.ShareStatistics(sum);
  const torch::Tensor x = images.clone().set_requires_grad(true);
  const torch::Tensor y = norm(x);
  (y.pow(2) * factors).sum().backward();
  return {y.detach(),          x.grad(),          layer->weight.grad(), layer->bias.grad(),
          layer->running_mean, layer->running_var};
}

void ExpectClose(const torch::Tensor& a, const torch::Tensor& b, double tolerance = 1e-5) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LT((a - b).abs().max().item<double>(), tolerance * (1 + b.abs().max().item<double>()));
}

// The pass of two threads, the first with `first` rows, against that of one layer with all rows.
void ExpectThatTwoAreOne(int64_t first) {
  torch::manual_seed(5);
  const torch::Tensor images = torch::randn({6, 3, 4, 5}) * 2 + 1;
  const torch::Tensor factors = torch::rand({6, 3, 4, 5});
  const Pass whole = Train(Layer(), nullptr, images, factors);
  SumOfTwo both;
  OneOfTwo a(both), b(both);
  Pass head, tail;
  std::thread other(
      [&] { tail = Train(Layer(), &b, images.slice(0, first), factors.slice(0, first)); });
  head = Train(Layer(), &a, images.slice(0, 0, first), factors.slice(0, 0, first));
  other.join();
  ExpectClose(torch::cat({head.y, tail.y}), whole.y);
  ExpectClose(torch::cat({head.dx, tail.dx}), whole.dx);
  ExpectClose(head.weight + tail.weight, whole.weight);
  ExpectClose(head.bias + tail.bias, whole.bias);
  for (const Pass* pass : {&head, &tail}) {
    ExpectClose(pass->mean, whole.mean);
    ExpectClose(pass->variance, whole.variance);
  }
}

TEST(SyncBatchNormTest, TwoHalvesAreTheWholeBatch) { ExpectThatTwoAreOne(3); }

TEST(SyncBatchNormTest, UnequalPartsAreTheWholeBatch) { ExpectThatTwoAreOne(1); }

TEST(SyncBatchNormTest, APartWithoutRowsTakesPart) { ExpectThatTwoAreOne(0); }

// The mean of the squares less the square of the mean would lose all digits in float32.
TEST(SyncBatchNormTest, ALargeMeanLosesNoDigits) {
  torch::manual_seed(5);
  // Multiples of 1/16 are exact next to 4096.
  const torch::Tensor small = torch::randint(0, 32, {8, 3, 6, 6}) / 16;
  const torch::Tensor factors = torch::ones({8, 3, 6, 6});
  Alone alone;
  const Pass near_zero = Train(Layer(), &alone, small, factors);
  const Pass far_away = Train(Layer(), &alone, small + 4096, factors);
  ExpectClose(far_away.y, near_zero.y, 1e-3);
  ExpectClose(far_away.variance, near_zero.variance, 1e-4);
}

TEST(SyncBatchNormTest, WithoutASumItIsLibTorchsLayerBitForBit) {
  torch::manual_seed(5);
  const torch::Tensor images = torch::randn({4, 3, 4, 4});
  torch::nn::BatchNorm2d layer = Layer(), same = Layer();
  SyncBatchNorm2d norm(layer);
  EXPECT_TRUE(torch::equal(norm(images), same->forward(images)));
  EXPECT_TRUE(torch::equal(layer->running_var, same->running_var));
}

TEST(SyncBatchNormTest, EvaluationAsksNobody) {
  class Never : public StatisticsSum {
   public:
    torch::Tensor SumStatistics(const torch::Tensor& mine) override {
      ADD_FAILURE() << "asked";
      return mine;
    }
  };
  Never never;
  torch::nn::BatchNorm2d layer = Layer();
  layer->eval();
  SyncBatchNorm2d norm(layer);
  norm.ShareStatistics(&never);
  EXPECT_EQ(norm(torch::ones({1, 3, 2, 2})).size(0), 1);
}

TEST(SyncBatchNormTest, WithoutMomentumItAveragesTheBatches) {
  torch::manual_seed(5);
  Alone alone;
  torch::nn::BatchNorm2d layer = Layer(), same = Layer();
  layer->options.momentum(c10::nullopt);
  same->options.momentum(c10::nullopt);
  SyncBatchNorm2d norm(layer);
  norm.ShareStatistics(&alone);
  for (int batch = 0; batch < 3; ++batch) {
    const torch::Tensor images = torch::randn({4, 3, 4, 4}) + batch;
    norm(images);
    same->forward(images);
  }
  ExpectClose(layer->running_mean, same->running_mean);
  ExpectClose(layer->running_var, same->running_var);
}

}  // namespace
}  // namespace s2p
