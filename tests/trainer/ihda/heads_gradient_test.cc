// The gradients that the domain term sends through the gradient reversal and the networks' own C_d,
// against central differences of the term in plain loops of float64: their sign, their coefficient
// and the rows that a batch norm ties together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/trainer/ihda/heads_reference.h"

namespace s2p::test {
namespace {

// d value / d x, of the first `columns` of x.
Matrix Slope(Matrix& x, size_t columns, const std::function<double()>& value) {
  constexpr double kStep = 1e-6;
  Matrix slope(x.size(), Row(columns));
  for (size_t i = 0; i < x.size(); ++i) {
    for (size_t k = 0; k < columns; ++k) {
      const double kept = x[i][k];
      x[i][k] = kept + kStep;
      const double above = value();
      x[i][k] = kept - kStep;
      slope[i][k] = (above - value()) / (2 * kStep);
      x[i][k] = kept;
    }
  }
  return slope;
}

class HeadsGradientTest : public HeadsTest {
 protected:
  // The domain term alone.
  LossSum DomainTerm(IhdaNetworks& networks, const TrainingPlace& place) {
    const double weight = spec_.loss().domain();
    spec_.clear_loss();
    spec_.mutable_loss()->set_domain(weight);
    return Step2Losses(spec_, batch_, place, HeadsOf(networks));
  }
  // Returns what backward() of the weighted term leaves at the embeddings, where the encoders
  // begin: source, photos and sketches one below the other.
  Matrix GradientAtTheEncoders(IhdaNetworks& networks, const TrainingPlace& place) {
    std::vector<Matrix> gradients;
    for (DualEncoderOutput* out : Outputs()) out->embedding.set_requires_grad(true);
    DomainTerm(networks, place).Total().backward();
    for (DualEncoderOutput* out : Outputs()) gradients.push_back(MatrixOf(out->embedding.grad()));
    return Concat(gradients);
  }
  std::vector<DualEncoderOutput*> Outputs() {
    return {&batch_.source, &batch_.photo, &batch_.sketch};
  }
  // The cross-entropies of the three domains, each a mean over its rows, and their sum.
  static double SumOfDomains(const Matrix& logits) {
    const auto photos = logits.begin() + kSource, sketches = photos + kIdentities;
    return CrossEntropy({logits.begin(), photos}, std::vector<int>(kSource, 0)) +
           CrossEntropy({photos, sketches}, std::vector<int>(kIdentities, 1)) +
           CrossEntropy({sketches, logits.end()}, std::vector<int>(kIdentities, 2));
  }
  // The release's cross-entropy of probabilities, before its minus sign; a pass for each domain.
  static double MeanOfProbabilities(Reference& reference, const Matrix& x) {
    const auto photos = x.begin() + kSource, sketches = photos + kIdentities;
    std::vector<int> labels(kSource, 0);
    labels.insert(labels.end(), kIdentities, 1);
    labels.insert(labels.end(), kIdentities, 2);
    return CrossEntropy(Concat({Softmax(reference.NormDomains({x.begin(), photos})),
                                Softmax(reference.NormDomains({photos, sketches})),
                                Softmax(reference.NormDomains({sketches, x.end()}))}),
                        labels);
  }
  // Expects `factor` times the slope in its columns, to a ten-thousandth of the largest value.
  static void ExpectMultiple(const Matrix& gradient, double factor, const Matrix& slope) {
    ASSERT_EQ(gradient.size(), slope.size());
    double largest = 0, error = 0;
    for (size_t i = 0; i < slope.size(); ++i) {
      for (size_t k = 0; k < slope[i].size(); ++k) {
        const double want = factor * slope[i][k];
        largest = std::max(largest, std::abs(want));
        error = std::max(error, std::abs(gradient[i][k] - want));
      }
    }
    EXPECT_GT(largest, 1e-5);
    EXPECT_LT(error, 1e-4 * largest);
  }
  // The sign in which an update with the term moves each bias of C_d's last layer, times the sign
  // of the slope of `value`, which is the term's cross-entropy.
  std::vector<double> MovesAlongTheSlope(IhdaNetworks& networks, const TrainingPlace& place,
                                         const std::string& last_layer,
                                         const std::function<double(Reference&)>& value) {
    Reference before(networks);
    Matrix& bias = before.Weights("domain_classifier", last_layer, "bias");
    const Matrix slope = Slope(bias, 3, [&] { return value(before); });
    DomainTerm(networks, place).Total().backward();
    networks.Update(1e-3);
    const Matrix after = Reference(networks).Weights("domain_classifier", last_layer, "bias");
    std::vector<double> moves;
    for (size_t d = 0; d < 3; ++d) {
      EXPECT_GT(std::abs(slope[0][d]), 1e-4) << d;
      const double along = (after[0][d] - bias[0][d]) * slope[0][d];
      moves.push_back(along > 0 ? 1 : (along < 0 ? -1 : 0));
    }
    return moves;
  }
  // After the first of two batches of the second of four epochs: three eighths of the repeat.
  static TrainingPlace PaperPlace() {
    TrainingPlace place;
    place.ihda_step = 2;
    place.epoch = 1;
    place.epochs = 4;
    place.batches = 2;
    return place;
  }
  static TrainingPlace ReleasePlace() {
    TrainingPlace place = PaperPlace();
    place.update = 700;
    return place;
  }

  const double paper_coefficient_ = 2 / (1 + std::exp(-10 * 0.375)) - 1;
  const double release_coefficient_ = 2 / (1 + std::exp(-10 * 0.07)) - 1;
  // HeadsTest::Networks sets it.
  const double weight_ = 0.6;
  Matrix all_ = Concat({source_, photos_, sketches_});
};

TEST_F(HeadsGradientTest, PaperSendsTheEncodersAgainstTheClassifier) {
  const auto networks = Networks("paper");
  Reference reference(*networks);
  // Three columns, because the 512 hidden units of the paper's C_d take their time in loops.
  const Matrix slope = Slope(all_, 3, [&] { return SumOfDomains(reference.DenseDomains(all_)); });
  ExpectMultiple(GradientAtTheEncoders(*networks, PaperPlace()), -paper_coefficient_ * weight_,
                 slope);
}

// Runs of older programs have batch norms in the paper's C_d, which tie the rows of a pass
// together.
TEST_F(HeadsGradientTest, PaperShowsTheClassifierAllDomainsInOnePass) {
  const auto networks = Networks("release");
  spec_.set_recipe(v1::RECIPE_PAPER);
  Reference reference(*networks);
  const Matrix slope =
      Slope(all_, kDimension, [&] { return SumOfDomains(reference.NormDomains(all_)); });
  ExpectMultiple(GradientAtTheEncoders(*networks, PaperPlace()), -paper_coefficient_ * weight_,
                 slope);
}

// The release's minus sign and its reversal cancel each other: what reaches the encoders lowers the
// cross-entropy.
TEST_F(HeadsGradientTest, ReleaseSendsTheEncodersWithTheCrossEntropyInThreePasses) {
  const auto networks = Networks("release");
  Reference reference(*networks);
  const Matrix slope =
      Slope(all_, kDimension, [&] { return MeanOfProbabilities(reference, all_); });
  ExpectMultiple(GradientAtTheEncoders(*networks, ReleasePlace()), release_coefficient_ * weight_,
                 slope);
}

TEST_F(HeadsGradientTest, ClassifierOfThePaperLowersTheCrossEntropyItself) {
  const auto networks = Networks("paper");
  EXPECT_THAT(MovesAlongTheSlope(*networks, PaperPlace(), "4",
                                 [&](Reference& r) { return SumOfDomains(r.DenseDomains(all_)); }),
              testing::Each(-1));
}

TEST_F(HeadsGradientTest, ClassifierOfTheReleaseRaisesIt) {
  const auto networks = Networks("release");
  EXPECT_THAT(MovesAlongTheSlope(*networks, ReleasePlace(), "6",
                                 [&](Reference& r) { return MeanOfProbabilities(r, all_); }),
              testing::Each(1));
}

}  // namespace
}  // namespace s2p::test
