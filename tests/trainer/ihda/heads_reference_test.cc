// The terms of both steps behind the networks' own heads, against a computation of their formulas
// in plain loops: which rows each batch norm sees in one pass is part of a term, and heads that are
// linear, as those of the golden sums, cannot tell.
#include "tests/trainer/ihda/heads_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trainer/optimization/losses.h"

namespace s2p::test {
namespace {

using Terms = std::map<std::string, double>;

constexpr uint64_t kDropoutSeed = 13;
// The release's.
constexpr double kDropout = 0.7;
constexpr double kMargin = 0.3;

class HeadsReferenceTest : public HeadsTest {
 protected:
  // The identity classifier begins with weights near 0, whose logits hardly depend on its input:
  // one update moves each weight by the rate.
  void MoveIdentityClassifier(IhdaNetworks& networks) {
    IdentityLoss(
        networks.IdentityLogits(torch::cat({batch_.photo.embedding, batch_.sketch.embedding})),
        torch::cat({batch_.labels, batch_.labels}), 0)
        .backward();
    networks.Update(0.2);
  }
  Terms Read(const LossSum& sum) {
    std::vector<std::pair<std::string, double>> values;
    EXPECT_THAT(sum.Read(values), IsOk());
    EXPECT_NEAR(sum.Total().item<double>(), values.back().second, 1e-4);
    return {values.begin(), values.end()};
  }
  Terms Step1Terms(IhdaNetworks& networks) {
    TrainingPlace place;
    place.epochs = place.batches = 1;
    torch::manual_seed(kDropoutSeed);
    return Read(Step1Losses(
        spec_,
        {batch_.source, torch::arange(kIdentities).repeat_interleave(2), batch_.source_attributes},
        place, HeadsOf(networks)));
  }
  Terms Step2Terms(IhdaNetworks& networks) {
    TrainingPlace place;
    place.ihda_step = 2;
    place.epochs = place.batches = 1;
    torch::manual_seed(kDropoutSeed);
    return Read(Step2Losses(spec_, batch_, place, HeadsOf(networks)));
  }
  // The part that the release's classifier keeps of its input, scaled up; dropout is the first
  // thing that draws a random number.
  static Matrix DropOut(Matrix x) {
    torch::manual_seed(kDropoutSeed);
    const auto rows = static_cast<int64_t>(x.size()), columns = static_cast<int64_t>(x[0].size());
    const Matrix kept = MatrixOf(torch::dropout(torch::ones({rows, columns}), kDropout, true));
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t k = 0; k < x[i].size(); ++k) x[i][k] *= kept[i][k];
    }
    return x;
  }
  static void ExpectNear(const Terms& terms, const std::string& name, double want) {
    ASSERT_EQ(terms.count(name), 1u) << name;
    EXPECT_NEAR(terms.at(name), want, 1e-4 * std::max(1.0, std::abs(want))) << name;
  }
  // The weights of HeadsTest::Networks, with this one for the attributes of the source.
  static double Sum(const Terms& terms, double attribute) {
    const std::map<std::string, double> weights = {
        {"identity", 1.5},          {"triplet", 0.7},     {"attribute", attribute},
        {"attribute_entropy", 0.3}, {"consistency", 0.4}, {"domain", 0.6},
        {"contrastive", 0.8}};
    double sum = 0;
    for (const auto& [name, value] : terms) {
      if (name != "total") sum += weights.at(name) * value;
    }
    return sum;
  }
  // InfoNCE of the neck's outputs, one pass of both modalities.
  double PairContrastive(Reference& reference) {
    const Matrix features = reference.Neck(Concat({sketches_, photos_}));
    return InfoNce({features.begin(), features.begin() + kIdentities},
                   {features.begin() + kIdentities, features.end()}, spec_.loss().temperature());
  }
  // The same of the first and the second photo of each identity.
  double SourceContrastive(Reference& reference) {
    const Matrix features = reference.Neck(source_);
    return InfoNce(EachOf(features, 0, 2), EachOf(features, 1, 2), spec_.loss().temperature());
  }
  double SourceTriplets(const torch::Tensor& features) const {
    const Matrix rows = MatrixOf(features);
    return HardestTriplets(rows, source_labels_, rows, source_labels_, kMargin, /*squared=*/false);
  }

  const std::vector<int> labels_ = {0, 1, 2, 3};
  const std::vector<int> joined_labels_ = {0, 1, 2, 3, 0, 1, 2, 3};
  const std::vector<int> source_labels_ = {0, 0, 1, 1, 2, 2, 3, 3};
};

TEST_F(HeadsReferenceTest, Step2OfThePaper) {
  const auto networks = Networks("paper");
  MoveIdentityClassifier(*networks);
  Reference reference(*networks);
  const Terms terms = Step2Terms(*networks);

  const Matrix identities =
      reference.Dense(reference.Neck(Concat({photos_, sketches_})), "identity_classifier", "0");
  ExpectNear(terms, "identity",
             CrossEntropy({identities.begin(), identities.begin() + 4}, labels_) +
                 CrossEntropy({identities.begin() + 4, identities.end()}, labels_));
  ExpectNear(terms, "triplet",
             HardestTriplets(sketches_, labels_, photos_, labels_, kMargin, /*squared=*/true));
  ExpectNear(terms, "attribute",
             AttributeSum(reference.DenseAttributes(source_), attributes_) / kSource);
  const Matrix photo = reference.DenseAttributes(photos_);
  const Matrix sketch = reference.DenseAttributes(sketches_);
  double entropy = 0, consistency = 0;
  for (size_t i = 0; i < 4; ++i) {
    double squares = 0;
    for (size_t a = 0; a < kAttributes; ++a) {
      const double p = Sigmoid(photo[i][a]), q = Sigmoid(sketch[i][a]);
      entropy -= (p * std::log(p) + q * std::log(q)) / 4;
      squares += (p - q) * (p - q);
    }
    consistency += std::sqrt(squares) / 4;
  }
  ExpectNear(terms, "attribute_entropy", entropy);
  ExpectNear(terms, "consistency", consistency);
  double domain = 0;
  for (const auto& [x, label] :
       {std::pair(&source_, 0), std::pair(&photos_, 1), std::pair(&sketches_, 2)}) {
    domain += CrossEntropy(reference.DenseDomains(*x), std::vector<int>(x->size(), label));
  }
  ExpectNear(terms, "domain", domain);
  ExpectNear(terms, "contrastive", PairContrastive(reference));
  ExpectNear(terms, "total", Sum(terms, /*attribute=*/0.2));
}

TEST_F(HeadsReferenceTest, Step2OfTheRelease) {
  const auto networks = Networks("release");
  MoveIdentityClassifier(*networks);
  Reference reference(*networks);
  const Terms terms = Step2Terms(*networks);

  ExpectNear(terms, "identity",
             CrossEntropy(reference.Dense(DropOut(reference.Neck(Concat({photos_, sketches_}))),
                                          "identity_classifier", "1"),
                          joined_labels_, /*smoothing=*/0.1));
  double triplet = 0;
  for (const Matrix& x : {Concat({photos_, sketches_}), Concat({MatrixOf(batch_.photo.stage3),
                                                                MatrixOf(batch_.sketch.stage3)})}) {
    triplet += HardestTriplets(x, joined_labels_, x, joined_labels_, kMargin, /*squared=*/false);
  }
  ExpectNear(terms, "triplet", triplet);
  // Each of the three has batch norms of its own rows.
  ExpectNear(
      terms, "attribute",
      AttributeSum(reference.NormAttributes(source_), attributes_) / (kSource * kAttributes));
  const Matrix photo = reference.NormAttributes(photos_);
  const Matrix sketch = reference.NormAttributes(sketches_);
  double entropy = 0, consistency = 0;
  for (size_t i = 0; i < 4; ++i) {
    for (size_t a = 0; a < kAttributes; ++a) {
      const double p = Sigmoid(photo[i][a]), q = Sigmoid(sketch[i][a]);
      entropy -= (p * std::log2(p + 1e-6) + q * std::log2(q + 1e-6)) / (4 * std::log2(3));
      consistency += (p - q) * (p - q) / (4 * kAttributes);
    }
  }
  ExpectNear(terms, "attribute_entropy", entropy);
  ExpectNear(terms, "consistency", consistency);
  std::vector<Matrix> domains;
  std::vector<int> labels;
  for (const auto& [x, label] :
       {std::pair(&source_, 0), std::pair(&photos_, 1), std::pair(&sketches_, 2)}) {
    domains.push_back(Softmax(reference.NormDomains(*x)));
    labels.insert(labels.end(), x->size(), label);
  }
  ExpectNear(terms, "domain", -CrossEntropy(Concat(domains), labels));
  ExpectNear(terms, "contrastive", PairContrastive(reference));
  ExpectNear(terms, "total", Sum(terms, /*attribute=*/0.2));
}

TEST_F(HeadsReferenceTest, Step1OfThePaper) {
  const auto networks = Networks("paper", /*ihda_step=*/1);
  MoveIdentityClassifier(*networks);
  Reference reference(*networks);
  const Terms terms = Step1Terms(*networks);
  EXPECT_EQ(terms.size(), 5u);
  ExpectNear(terms, "identity",
             CrossEntropy(reference.Dense(reference.Neck(source_), "identity_classifier", "0"),
                          source_labels_));
  ExpectNear(terms, "triplet", SourceTriplets(batch_.source.embedding));
  ExpectNear(terms, "attribute",
             AttributeSum(reference.DenseAttributes(source_), attributes_) / kSource);
  ExpectNear(terms, "contrastive", SourceContrastive(reference));
  ExpectNear(terms, "total", Sum(terms, /*attribute=*/0.2 * 10));
}

TEST_F(HeadsReferenceTest, Step1OfTheRelease) {
  const auto networks = Networks("release", /*ihda_step=*/1);
  MoveIdentityClassifier(*networks);
  Reference reference(*networks);
  const Terms terms = Step1Terms(*networks);
  EXPECT_EQ(terms.size(), 5u);
  ExpectNear(
      terms, "identity",
      CrossEntropy(reference.Dense(DropOut(reference.Neck(source_)), "identity_classifier", "1"),
                   source_labels_, /*smoothing=*/0.1));
  ExpectNear(terms, "triplet",
             SourceTriplets(batch_.source.embedding) + SourceTriplets(batch_.source.stage3));
  ExpectNear(
      terms, "attribute",
      AttributeSum(reference.NormAttributes(source_), attributes_) / (kSource * kAttributes));
  ExpectNear(terms, "contrastive", SourceContrastive(reference));
  ExpectNear(terms, "total", Sum(terms, /*attribute=*/0.2 * 10));
}

}  // namespace
}  // namespace s2p::test
