#include "trainer/optimization/losses.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/linear.h>

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/trainer/golden_tensors.h"
#include "trainer/optimization/gradient_reversal.h"
#include "trainer/optimization/learning_rate.h"

namespace s2p::test {
namespace {

torch::Tensor F64(std::initializer_list<double> values) {
  return torch::tensor(std::vector<double>(values), torch::kFloat64);
}

// Compares value and gradients with the file's entries under `prefix`. The reference was computed
// in float64, and so is this.
class LossesGoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    S2P_GOLDEN_OR_SKIP(path, "losses.safetensors");
    golden_ = std::make_unique<GoldenTensors>(path);
  }
  torch::Tensor In(const std::string& name) const { return (*golden_)["in/" + name]; }
  torch::Tensor Leaf(const std::string& name) const { return golden_->Leaf("in/" + name); }
  void Expect(const torch::Tensor& value, const std::string& prefix,
              const std::vector<std::pair<std::string, torch::Tensor>>& leaves) {
    golden_->ExpectNear(value, prefix + "/value.f64", 1e-6);
    value.backward();
    for (const auto& [name, leaf] : leaves) {
      ASSERT_TRUE(leaf.grad().defined()) << name;
      golden_->ExpectNear(leaf.grad(), absl::StrCat(prefix, "/grad/", name, ".f64"), 1e-6);
    }
  }

  std::unique_ptr<GoldenTensors> golden_;
};

TEST_F(LossesGoldenTest, SmoothedCrossEntropy) {
  const auto logits = Leaf("xent_logits");
  Expect(IdentityLoss(logits, In("xent_label"), 0.1), "xent", {{"xent_logits", logits}});
}

TEST_F(LossesGoldenTest, BatchHardTripletOverBothModalities) {
  const auto features = torch::cat({In("feat2_photo"), In("feat2_sketch")})
                            .to(torch::kFloat64)
                            .set_requires_grad(true);
  const auto labels = torch::cat({In("label_target"), In("label_target")});
  Expect(TripletLoss(features, labels, 0.3), "triplet_pair", {{"feat", features}});
}

TEST_F(LossesGoldenTest, BatchHardTripletOfThreeRowsAnIdentity) {
  const auto features = Leaf("triplet_id3_feat");
  Expect(TripletLoss(features, In("triplet_id3_label"), 0.3), "triplet_id3",
         {{"triplet_id3_feat", features}});
}

TEST_F(LossesGoldenTest, AnchorsAloneAreTheirOwnPositives) {
  golden_->ExpectNear(TripletLoss(Leaf("triplet_single_feat"), In("label_target"), 0.3),
                      "triplet_single/value.f64", 5e-4);
}

TEST_F(LossesGoldenTest, CrossModalTripletOfPairs) {
  const auto sketch = Leaf("feat2_sketch"), photo = Leaf("feat2_photo");
  Expect(CrossModalTripletLoss(sketch, In("label_target"), photo, In("label_target"), 0.3),
         "hetero_pair/hard", {{"sketch", sketch}, {"photo", photo}});
}

TEST_F(LossesGoldenTest, CrossModalTripletOfSeveralPhotos) {
  const auto sketch = Leaf("feat2_sketch"), photo = Leaf("hetero_multi_photo");
  Expect(
      CrossModalTripletLoss(sketch, In("label_target"), photo, In("hetero_multi_photo_label"), 0.3),
      "hetero_multi/hard", {{"sketch", sketch}, {"photo", photo}});
}

TEST_F(LossesGoldenTest, AttributesInBothForms) {
  for (const auto& [loss, form] :
       {std::pair(paper::AttributeLoss, "paper"), std::pair(release::AttributeLoss, "code")}) {
    const auto logits = Leaf("att_logits_source");
    Expect(loss(logits, In("att_source").to(torch::kFloat64)), absl::StrCat("att_bce/", form),
           {{"att_logits_source", logits}});
  }
}

TEST_F(LossesGoldenTest, AttributeEntropyInBothForms) {
  for (const auto& [loss, form] : {std::pair(paper::AttributeEntropyLoss, "paper"),
                                   std::pair(release::AttributeEntropyLoss, "code")}) {
    for (const char* modality : {"photo", "sketch"}) {
      const auto logits = Leaf(absl::StrCat("att_logits_", modality));
      Expect(loss(logits), absl::StrCat("att_entropy/", form, "_", modality),
             {{absl::StrCat("att_logits_", modality), logits}});
    }
  }
}

TEST_F(LossesGoldenTest, ConsistencyInBothForms) {
  for (const auto& [loss, form] :
       {std::pair(paper::ConsistencyLoss, "paper"), std::pair(release::ConsistencyLoss, "code")}) {
    const auto photo = Leaf("att_logits_photo"), sketch = Leaf("att_logits_sketch");
    Expect(loss(photo, sketch), absl::StrCat("att_consist/", form),
           {{"att_logits_photo", photo}, {"att_logits_sketch", sketch}});
  }
}

double CoefficientAt(int64_t update) {
  TrainingPlace place;
  place.update = update;
  return release::ReversalCoefficient(place);
}

// The release weights the term by 0.1 inside; ours leaves that to the spec.
TEST_F(LossesGoldenTest, ReleaseDomainLossBehindTheReversal) {
  const std::pair<const char*, double> coefficients[] = {{"@c1", 1},
                                                         {"@it1", CoefficientAt(1)},
                                                         {"@it100", CoefficientAt(100)},
                                                         {"@it10000", CoefficientAt(10000)}};
  for (const auto& [suffix, coefficient] : coefficients) {
    const auto source = Leaf("feat2_source"), photo = Leaf("feat2_photo"),
               sketch = Leaf("feat2_sketch");
    const auto weight = Leaf("dom.weight"), bias = Leaf("dom.bias");
    const auto logits = torch::nn::functional::linear(
        ReverseGradient(torch::cat({source, photo, sketch}), coefficient), weight, bias);
    Expect(0.1 * release::DomainLoss(logits, (*golden_)["domain/label"]), "domain/code",
           {{"dom.weight", weight},
            {"dom.bias", bias},
            {absl::StrCat("feat2_source", suffix), source},
            {absl::StrCat("feat2_photo", suffix), photo},
            {absl::StrCat("feat2_sketch", suffix), sketch}});
  }
}

TEST_F(LossesGoldenTest, ReversalCoefficients) {
  const auto want = (*golden_)["grl/coeff.f64"];
  const int64_t iterations[] = {1, 100, 10000};
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(CoefficientAt(iterations[i]), want[i].item<double>(), 1e-12);
  }
}

// ln(1 + e^z) of saturated logits: the reference clamps its logarithms at -100, ours does not.
TEST_F(LossesGoldenTest, SaturatedAttributesAreThoseOfLogits) {
  const auto logits = In("bce_extreme_logits").reshape({1, -1});
  for (const auto& [target, name] : {std::pair(0.0, "zeros"), std::pair(1.0, "ones")}) {
    const auto targets = torch::full_like(logits, target);
    const std::string entry = absl::StrCat("bce_extreme/logits_", name);
    const double want = (*golden_)[entry].to(torch::kFloat64).sum().item<double>();
    const double got = paper::AttributeLoss(logits, targets).item<double>();
    RecordGolden("losses.safetensors", entry, std::abs(got - want) / want, 1e-4);
    EXPECT_NEAR(got, want, 1e-4 * want) << entry;
  }
}

TEST(LossesTest, IdentityLossOfEqualLogitsIsTheLogarithmOfTheClasses) {
  EXPECT_NEAR(IdentityLoss(torch::zeros({2, 5}), torch::tensor({0, 3}), 0).item<double>(),
              std::log(5), 1e-6);
}

TEST(LossesTest, CrossModalTripletByHand) {
  const auto sketches = torch::tensor({{0.0}, {1.0}}), photos = torch::tensor({{0.5}, {0.6}});
  const auto labels = torch::tensor({0, 1});
  // Anchor 0: 0.25 - 0.36 + 0.3; anchor 1: 0.16 - 0.25 + 0.3.
  EXPECT_NEAR(CrossModalTripletLoss(sketches, labels, photos, labels, 0.3).item<double>(),
              (0.19 + 0.21) / 2, 1e-6);
}

TEST(LossesTest, UnknownAttributesAreLeftOut) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto logits = F64({1, -2, 5, 3}).reshape({2, 2}).set_requires_grad(true);
  const auto loss = release::AttributeLoss(logits, F64({1, 0, nan, nan}).reshape({2, 2}));
  const double expected = (std::log1p(std::exp(-1)) + std::log1p(std::exp(-2))) / 2;
  EXPECT_NEAR(loss.item<double>(), expected, 1e-9);
  loss.backward();
  EXPECT_EQ(logits.grad()[1].abs().max().item<double>(), 0);
}

TEST(LossesTest, ConsistencyOfEqualPredictionsIsFlat) {
  const auto photo = F64({1, 2}).reshape({1, 2}).set_requires_grad(true);
  const auto loss = paper::ConsistencyLoss(photo, photo.detach());
  loss.backward();
  EXPECT_LT(loss.item<double>(), 1e-9);
  EXPECT_TRUE(torch::isfinite(photo.grad()).all().item<bool>());
}

TEST(LossesTest, ContrastiveLossByHand) {
  const auto features = torch::eye(2);
  const double expected = std::log1p(std::exp(-1 / 0.5));
  EXPECT_NEAR(ContrastiveLoss(features, features, 0.5).item<double>(), expected, 1e-6);
}

// Sketch and photos on the unit circle, at 0, 90 and 180 degrees from each other.
struct Circle {
  torch::Tensor sketches = F64({1, 0}).reshape({1, 2}).set_requires_grad(true);
  torch::Tensor photos = F64({1, 0, 0, 1, -1, 0}).reshape({3, 2}).set_requires_grad(true);
};

torch::Tensor Triplets(std::initializer_list<int64_t> rows) {
  return torch::tensor(std::vector<int64_t>(rows), torch::kLong).view({-1, 3});
}

// The distances are 0, sqrt(2) and 2.
TEST(LossesTest, PhotoNeighbourLossByHand) {
  const Circle circle;
  const auto loss = [&](const torch::Tensor& triplets, double margin) {
    return PhotoNeighbourLoss(circle.sketches, circle.photos, triplets, margin).item<double>();
  };
  const double gap = 2 - std::sqrt(2);
  EXPECT_EQ(loss(Triplets({0, 1, 2}), 0.01), 0) << "the order is kept, by more than the margin";
  EXPECT_NEAR(loss(Triplets({0, 2, 1}), 0.01), gap + 0.01, 1e-9) << "the order is violated";
  EXPECT_NEAR(loss(Triplets({0, 1, 2}), 0.6), 0.6 - gap, 1e-9);
  EXPECT_NEAR(loss(Triplets({0, 1, 2, 0, 2, 1}), 0.01), (gap + 0.01) / 2, 1e-9);
}

// The gradient of a distance is the unit vector between the two. From the sketch to the photo that
// should be nearer it is (1, 0), to the other one (1, -1) / sqrt(2).
TEST(LossesTest, PhotoNeighbourLossPullsOnePhotoAndPushesTheOther) {
  const Circle circle;
  PhotoNeighbourLoss(circle.sketches, circle.photos, Triplets({0, 2, 1}), 0.01).backward();
  const double half = std::sqrt(0.5);
  EXPECT_TRUE(torch::allclose(circle.sketches.grad(), F64({1 - half, half}).reshape({1, 2})));
  EXPECT_TRUE(
      torch::allclose(circle.photos.grad(), F64({0, 0, half, -half, -1, 0}).reshape({3, 2})));
}

// A sketch that lies on a photo has no direction to it.
TEST(LossesTest, PhotoNeighbourLossIsFlatWhereASketchIsAPhoto) {
  const Circle circle;
  PhotoNeighbourLoss(circle.sketches, circle.photos, Triplets({0, 1, 0}), 0.01).backward();
  EXPECT_TRUE(torch::isfinite(circle.sketches.grad()).all().item<bool>());
  EXPECT_EQ(circle.photos.grad()[0].abs().max().item<double>(), 0);
}

TEST(LossesTest, ReversalTurnsTheGradientAndNothingElse) {
  const auto x = F64({1, 2}).set_requires_grad(true);
  const auto y = ReverseGradient(x, 0.25);
  EXPECT_TRUE(torch::equal(x, y));
  (y * F64({3, 4})).sum().backward();
  EXPECT_TRUE(torch::allclose(x.grad(), F64({-0.75, -1})));
}

// Each loss against differences of its own values.
TEST(LossesTest, GradientsAreThoseOfTheValues) {
  torch::manual_seed(5);
  const auto other = torch::randn({4, 3}, torch::kFloat64);
  const auto labels = torch::tensor({0, 1, 0, 1});
  const auto targets = torch::tensor({1.0, 0.0, 1.0}, torch::kFloat64).expand({4, 3});
  const std::vector<std::function<torch::Tensor(const torch::Tensor&)>> losses = {
      [&](const torch::Tensor& x) { return IdentityLoss(x, labels, 0.1); },
      [&](const torch::Tensor& x) { return paper::AttributeLoss(x, targets); },
      [&](const torch::Tensor& x) { return paper::AttributeEntropyLoss(x); },
      [&](const torch::Tensor& x) { return release::AttributeEntropyLoss(x); },
      [&](const torch::Tensor& x) { return paper::ConsistencyLoss(x, other); },
      [&](const torch::Tensor& x) { return release::ConsistencyLoss(x, other); },
      [&](const torch::Tensor& x) {
        return paper::DomainLoss(x, torch::tensor({0, 1, 2, 2}));
      },
      [&](const torch::Tensor& x) { return ContrastiveLoss(x, other, 0.5); },
      [&](const torch::Tensor& x) {
        return PhotoNeighbourLoss(x, other, Triplets({0, 1, 2, 1, 3, 0, 3, 2, 1}), 4);
      },
      [&](const torch::Tensor& x) {
        return PhotoNeighbourLoss(other, x, Triplets({0, 1, 2, 1, 3, 0, 3, 2, 1}), 4);
      }};
  for (size_t i = 0; i < losses.size(); ++i) {
    const auto x = torch::randn({4, 3}, torch::kFloat64).set_requires_grad(true);
    losses[i](x).backward();
    const torch::NoGradGuard no_grad;
    for (int k = 0; k < 12; ++k) {
      constexpr double kStep = 1e-6;
      const auto moved = [&](double by) {
        auto copy = x.detach().clone();
        copy.view({-1})[k] += by;
        return losses[i](copy).item<double>();
      };
      EXPECT_NEAR(x.grad().reshape({-1})[k].item<double>(),
                  (moved(kStep) - moved(-kStep)) / (2 * kStep), 1e-6)
          << "loss " << i;
    }
  }
}

}  // namespace
}  // namespace s2p::test
