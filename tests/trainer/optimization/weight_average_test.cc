#include "trainer/optimization/weight_average.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "model/torch_tensors.h"
#include "trainer/optimization/batch_statistics.h"

namespace s2p {
namespace {

TensorMap Weights(float a, float b, int64_t count) {
  TensorMap weights;
  weights["values"] = ToTensorBytes(torch::tensor({a, b}));
  weights["num_batches_tracked"] = ToTensorBytes(torch::tensor(count));
  return weights;
}

std::vector<float> Values(const TensorMap& weights) {
  const torch::Tensor values = ToTorch(weights.at("values"));
  return {values.data_ptr<float>(), values.data_ptr<float>() + values.numel()};
}

TEST(WeightAverageTest, MeanIsOfTheRunsAndOfTheirStart) {
  WeightAverage average;
  average.Add(Weights(1, 10, 3));
  average.Add(Weights(3, 20, 5));
  EXPECT_EQ(Values(average.Mean(Weights(100, 100, 0), 0)), (std::vector<float>{2, 15}));
  EXPECT_EQ(Values(average.Mean(Weights(100, 100, 0), 0.25)), (std::vector<float>{26.5, 36.25}));
}

TEST(WeightAverageTest, CountersAreThoseOfTheLastRun) {
  WeightAverage average;
  average.Add(Weights(1, 1, 3));
  average.Add(Weights(1, 1, 5));
  const TensorMap mean = average.Mean(Weights(1, 1, 0), 0.5);
  EXPECT_EQ(ToTorch(mean.at("num_batches_tracked")).item<int64_t>(), 5);
}

TEST(WeightAverageTest, GoesOnFromItsSum) {
  WeightAverage average;
  average.Add(Weights(1, 10, 3));
  average = WeightAverage::FromSum(average.sum(), 1);
  average.Add(Weights(3, 20, 5));
  EXPECT_EQ(average.count(), 2);
  EXPECT_EQ(Values(average.Mean(Weights(0, 0, 0), 0)), (std::vector<float>{2, 15}));
}

TEST(BatchStatisticsTest, StatisticsAreThePlainMeansOfTheBatchesSeen) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  torch::nn::BatchNorm1d norm(3), frozen(3), unseen(3);
  torch::nn::Sequential network(norm, frozen, unseen);
  norm->num_batches_tracked.fill_(40);
  norm->running_mean.fill_(100);
  frozen->eval();
  unseen->running_mean.fill_(7);
  const torch::Tensor a = torch::randn({5, 3}), b = 4 * torch::randn({5, 3}) + 2;
  {
    const BatchStatistics statistics(*network);
    EXPECT_FALSE(statistics.empty());
    for (const torch::Tensor& batch : {a, b}) frozen->forward(norm->forward(batch));
  }
  EXPECT_TRUE(norm->running_mean.allclose((a.mean(0) + b.mean(0)) / 2));
  EXPECT_TRUE(norm->running_var.allclose((a.var(0) + b.var(0)) / 2));
  EXPECT_EQ(norm->num_batches_tracked.item<int64_t>(), 40);
  EXPECT_EQ(norm->options.momentum().value(), 0.1);
  EXPECT_TRUE(frozen->running_mean.equal(torch::zeros({3})));
  EXPECT_TRUE(unseen->running_mean.equal(torch::full({3}, 7.0F)));
}

TEST(BatchStatisticsTest, NetworkInEvaluationModeHasNothingToEstimate) {
  torch::nn::Sequential network(torch::nn::BatchNorm1d(3), torch::nn::Linear(3, 3));
  network->eval();
  EXPECT_TRUE(BatchStatistics(*network).empty());
}

}  // namespace
}  // namespace s2p
