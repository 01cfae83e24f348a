#include "trainer/start/pair_whitening.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

torch::Tensor Scatter(const torch::Tensor& rows) {
  return torch::matmul(rows.t(), rows) / rows.size(0);
}

TEST(PairDifferencesTest, AreFromTheMeanOfTheIdentitysPhotos) {
  const torch::Tensor photos = torch::tensor({{1.0F, 0.0F}, {3.0F, 0.0F}, {7.0F, 7.0F}});
  const torch::Tensor sketches = torch::tensor({{2.0F, 5.0F}, {9.0F, 9.0F}, {7.0F, 8.0F}});
  const torch::Tensor differences =
      PairDifferences(photos, {4, 4, 6}, sketches, {4, 5, 6});  // no photo of 5
  EXPECT_TRUE(torch::equal(differences, torch::tensor({{0.0F, 5.0F}, {0.0F, 1.0F}})))
      << differences;
}

TEST(PairDifferencesTest, AreNoneWithoutPairs) {
  const torch::Tensor differences =
      PairDifferences(torch::ones({2, 3}), {0, 1}, torch::ones({1, 3}), {2});
  EXPECT_EQ(differences.sizes(), (std::vector<int64_t>{0, 3}));
}

TEST(PairWhiteningTest, GivesEveryDirectionTheSameScatter) {
  torch::manual_seed(1);
  const torch::Tensor mixing = torch::randn({6, 6});
  const torch::Tensor differences = torch::matmul(torch::randn({500, 6}), mixing);
  const torch::Tensor whitening = PairWhitening(differences, 0);
  EXPECT_TRUE(
      torch::allclose(Scatter(torch::matmul(differences, whitening)), torch::eye(6), 0, 1e-3));
  EXPECT_TRUE(torch::allclose(whitening, whitening.t(), 0, 1e-5));
}

// Variances 9 and 1 along the axes, mean 5: divided by sqrt(9 + 5 s) and sqrt(1 + 5 s).
TEST(PairWhiteningTest, ShrinkageTemperesTheLargestAndTheSmallest) {
  const torch::Tensor differences = torch::tensor({{3.0F, 1.0F}, {-3.0F, 1.0F}});
  for (const double shrinkage : {0.2, 1.0}) {
    const torch::Tensor expected =
        torch::diag(torch::tensor({9 + 5 * shrinkage, 1 + 5 * shrinkage}, torch::kFloat32).rsqrt());
    EXPECT_TRUE(torch::allclose(PairWhitening(differences, shrinkage), expected, 0, 1e-5));
  }
}

// Fewer differences than directions: those that no pair shows keep the largest factor, a finite
// one.
TEST(PairWhiteningTest, OnePairIsEnough) {
  const torch::Tensor whitening = PairWhitening(torch::tensor({{2.0F, 0.0F, 0.0F}}), 0.3);
  EXPECT_TRUE(torch::isfinite(whitening).all().item<bool>());
  EXPECT_LT(whitening[0][0].item<float>(), whitening[1][1].item<float>());
}

TEST(PairWhiteningTest, LeavesFeaturesAloneWhereThereIsNothingToLearnFrom) {
  EXPECT_TRUE(torch::equal(PairWhitening(torch::zeros({0, 3}), 0.3), torch::eye(3)));
  EXPECT_TRUE(torch::equal(PairWhitening(torch::zeros({5, 3}), 0.3), torch::eye(3)));
}

}  // namespace
}  // namespace s2p
