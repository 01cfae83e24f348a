#include "trainer/start/separable_axes.h"

#include <gtest/gtest.h>

#include <cmath>

namespace s2p {
namespace {

// Rows [channels * cells, channels * cells] whose covariance is the product of these variances.
torch::Tensor Separable(const std::vector<double>& channels, const std::vector<double>& cells) {
  const torch::Tensor variances =
      torch::outer(torch::tensor(channels, torch::kFloat64), torch::tensor(cells, torch::kFloat64));
  return torch::diag(variances.reshape({-1}).sqrt());
}

// The position of the largest value of each row.
std::vector<int64_t> Places(const torch::Tensor& axes) {
  const torch::Tensor places = axes.abs().argmax(1);
  return {places.data_ptr<int64_t>(), places.data_ptr<int64_t>() + places.size(0)};
}

const torch::Tensor kNoDifferences = torch::zeros({0, 6}, torch::kFloat64);

// Variances by channel and cell: 36, 9; 8, 2; 4, 1.
TEST(SeparableAxesTest, AreProductsInTheOrderOfTheirVariance) {
  const torch::Tensor axes =
      SeparableAxes(Separable({9, 2, 1}, {4, 1}), kNoDifferences, {{3, 2}}, 1, 6);
  EXPECT_EQ(Places(axes), (std::vector<int64_t>{0, 1, 2, 4, 3, 5}));
  EXPECT_TRUE(torch::allclose(torch::matmul(axes, axes.t()), torch::eye(6, torch::kFloat64)));
}

// Where sketches differ from photos in the first channel, it counts less: its variances, measured
// by those of the differences, are 0.36 and 0.09; the others' are 8, 2 and 4, 1.
TEST(SeparableAxesTest, WhatSketchesAndPhotosDifferInComesLast) {
  const torch::Tensor differences = Separable({100, 1, 1}, {1, 1});
  const torch::Tensor axes =
      SeparableAxes(Separable({9, 2, 1}, {4, 1}), differences, {{3, 2}}, 1e-3, 6);
  EXPECT_EQ(Places(axes), (std::vector<int64_t>{2, 4, 3, 5, 0, 1}));
}

// Mean outer product of the differences: 100 / 6 and 1 / 6.
TEST(SeparableAxesTest, DifferencesHaveLengthOne) {
  const torch::Tensor differences = Separable({100, 1, 1}, {1, 1});
  const torch::Tensor axes =
      SeparableAxes(Separable({9, 2, 1}, {4, 1}), differences, {{3, 2}}, 0, 6);
  const torch::Tensor on_axes = torch::matmul(differences, axes.t());
  EXPECT_TRUE(torch::allclose(torch::matmul(on_axes.t(), on_axes) / 6,
                              torch::eye(6, torch::kFloat64), 0, 1e-6));
}

// One image of many cells shows the channels' correlation, which no principal component of it can.
TEST(SeparableAxesTest, OneImageGivesAllAxes) {
  torch::manual_seed(1);
  const torch::Tensor image = torch::outer(torch::tensor({3.0, 1.0, 0.1}, torch::kFloat64),
                                           torch::ones(40, torch::kFloat64))
                                  .mul(torch::randn({3, 40}, torch::kFloat64))
                                  .reshape({1, 120});
  const torch::Tensor axes = SeparableAxes(image, image.narrow(0, 0, 0), {{3, 40}}, 1, 60);
  EXPECT_TRUE(torch::isfinite(axes).all().item<bool>());
  EXPECT_TRUE(
      torch::allclose(torch::matmul(axes, axes.t()), torch::eye(60, torch::kFloat64), 0, 1e-6));
  // The first ones are of the first channel.
  EXPECT_GT(axes[0].narrow(0, 0, 40).norm().item<double>(), 0.8);
}

TEST(SeparableAxesTest, BlocksAreComparedByVariance) {
  const torch::Tensor rows = Separable({5, 3, 4, 1, 9, 2}, {1});
  const torch::Tensor axes = SeparableAxes(rows, kNoDifferences, {{2, 1}, {4, 1}}, 1, 4);
  EXPECT_EQ(Places(axes), (std::vector<int64_t>{4, 0, 2, 1}));
}

}  // namespace
}  // namespace s2p
