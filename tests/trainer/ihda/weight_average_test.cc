#include "trainer/ihda/weight_average.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/torch_tensors.h"

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

}  // namespace
}  // namespace s2p
