// The terms of step 2 behind the networks' own heads, against a computation of their formulas in
// plain loops: which rows each batch norm sees in one pass is part of a term, and heads that are
// linear, as those of the golden sums, cannot tell.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/dropout.h>

#include <cmath>
#include <map>

#include "base/message_text.h"
#include "model/torch_tensors.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

constexpr int kDimension = 16, kIdentities = 4, kAttributes = 3;

Matrix MatrixOf(const torch::Tensor& tensor) {
  const torch::Tensor rows = tensor.detach().to(torch::kFloat64).contiguous();
  const int64_t n = rows.dim() == 1 ? 1 : rows.size(0), d = rows.size(-1);
  Matrix matrix(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double* begin = rows.data_ptr<double>() + i * d;
    matrix[static_cast<size_t>(i)].assign(begin, begin + d);
  }
  return matrix;
}

Matrix Concat(const std::vector<Matrix>& parts) {
  Matrix all;
  for (const Matrix& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// A saved network's layers, by the names of IhdaNetworks::Save.
class Reference {
 public:
  explicit Reference(const IhdaNetworks& networks) {
    const std::string bytes = networks.Save();
    archive_.load_from(bytes.data(), bytes.size());
  }

  Matrix Dense(const Matrix& x, const std::string& part, const std::string& layer) {
    const Matrix weight = Tensor(part, layer, "weight"), bias = Tensor(part, layer, "bias");
    Matrix out(x.size(), Row(weight.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      for (size_t o = 0; o < weight.size(); ++o) {
        out[i][o] = bias[0][o];
        for (size_t k = 0; k < x[i].size(); ++k) out[i][o] += weight[o][k] * x[i][k];
      }
    }
    return out;
  }
  // With the statistics of these rows.
  Matrix BatchNorm(Matrix x, const std::string& part, const std::string& layer) {
    const Matrix weight = Tensor(part, layer, "weight"), bias = Tensor(part, layer, "bias");
    const auto n = static_cast<double>(x.size());
    for (size_t k = 0; k < x[0].size(); ++k) {
      double mean = 0, variance = 0;
      for (const Row& row : x) mean += row[k] / n;
      for (const Row& row : x) variance += (row[k] - mean) * (row[k] - mean) / n;
      for (Row& row : x) {
        row[k] = (row[k] - mean) / std::sqrt(variance + 1e-5) * weight[0][k] + bias[0][k];
      }
    }
    return x;
  }
  // Three dense layers with the numbers `layers`; between them ReLU, or batch norm and leaky ReLU.
  Matrix Head(const Matrix& x, const std::string& part, const std::vector<int>& layers,
              bool with_norm) {
    Matrix h = x;
    for (size_t i = 0; i < 3; ++i) {
      h = Dense(h, part, std::to_string(layers[i]));
      if (i == 2) return h;
      if (with_norm) h = BatchNorm(h, part, std::to_string(layers[i] + 1));
      for (Row& row : h) {
        for (double& value : row) value = value > 0 ? value : (with_norm ? 0.1 * value : 0);
      }
    }
    return h;
  }

 private:
  Matrix Tensor(const std::string& part, const std::string& layer, const std::string& name) {
    torch::serialize::InputArchive outer, inner;
    torch::Tensor tensor;
    archive_.read(part == "domain_classifier" || part == "identity_classifier" ? part : "encoder",
                  outer);
    if (part == "attribute_head") {
      torch::serialize::InputArchive head;
      outer.read(part, head);
      outer = std::move(head);
    }
    outer.read(layer, inner);
    inner.read(name, tensor);
    return MatrixOf(tensor);
  }
  torch::serialize::InputArchive archive_;
};

double Sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

// Mean over the rows.
double CrossEntropy(const Matrix& logits, const std::vector<int>& labels) {
  double loss = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    double sum = 0;
    for (const double z : logits[i]) sum += std::exp(z);
    loss += std::log(sum) - logits[i][static_cast<size_t>(labels[i])];
  }
  return loss / static_cast<double>(logits.size());
}

Matrix Softmax(Matrix logits) {
  for (Row& row : logits) {
    double sum = 0;
    for (double& z : row) sum += z = std::exp(z);
    for (double& p : row) p /= sum;
  }
  return logits;
}

class HeadsReferenceTest : public testing::Test {
 protected:
  // Source, photos and sketches differ in mean and scale, which a batch norm of each removes.
  HeadsReferenceTest() {
    torch::manual_seed(11);
    batch_.source.embedding = torch::randn({6, kDimension}) - 2;
    batch_.photo.embedding = 2 * torch::randn({4, kDimension}) + 1;
    batch_.sketch.embedding = 0.5 * torch::randn({4, kDimension}) + 3;
    batch_.labels = torch::arange(4);
    batch_.source_attributes = torch::randint(0, 2, {6, kAttributes}).to(torch::kFloat32);
    source_ = MatrixOf(batch_.source.embedding);
    photos_ = MatrixOf(batch_.photo.embedding);
    sketches_ = MatrixOf(batch_.sketch.embedding);
  }
  // Networks in training mode without dropout.
  std::unique_ptr<IhdaNetworks> Networks(const std::string& recipe) {
    spec_.set_preset("demo");
    for (const std::string& field :
         {"recipe=" + recipe, std::string("embedding.grid=1"),
          std::string("embedding.dimension=16"), std::string("embedding.neck=batch_norm"),
          std::string("embedding.retrieval_feature=neck")}) {
      EXPECT_THAT(SetMessageField(field, spec_), IsOk());
    }
    spec_ = *ResolveSpec(spec_);
    auto& loss = *spec_.mutable_loss();
    for (const auto set :
         {&v1::TrainingSpec::LossSpec::set_attribute,
          &v1::TrainingSpec::LossSpec::set_attribute_entropy,
          &v1::TrainingSpec::LossSpec::set_consistency, &v1::TrainingSpec::LossSpec::set_domain,
          &v1::TrainingSpec::LossSpec::set_contrastive}) {
      (loss.*set)(1);
    }
    // The release's identity classifier drops most of its input at random.
    loss.set_identity(recipe == "paper" ? 1 : 0);
    torch::manual_seed(12);
    auto networks =
        *IhdaNetworks::Create(spec_, *ManifestOf(spec_, {"boots", "laces", "heel"}), torch::kCPU);
    networks->BeginStep(2, kIdentities);
    networks->SetTraining();
    for (const auto& module : networks->encoder().modules()) {
      if (auto* dropout = module->as<torch::nn::Dropout>()) dropout->eval();
    }
    return networks;
  }
  std::map<std::string, double> Terms(IhdaNetworks& networks) {
    TrainingPlace place;
    place.ihda_step = 2;
    place.epochs = place.batches = 1;
    std::vector<std::pair<std::string, double>> values;
    EXPECT_THAT(Step2Losses(spec_, batch_, place, HeadsOf(networks)).Read(values), IsOk());
    return {values.begin(), values.end()};
  }
  // InfoNCE of the neck's outputs, one pass of both modalities.
  double Contrastive(Reference& reference) {
    Matrix features = reference.BatchNorm(Concat({sketches_, photos_}), "encoder", "neck");
    for (Row& row : features) {
      double sum = 0;
      for (const double v : row) sum += v * v;
      for (double& v : row) v /= std::sqrt(sum);
    }
    Matrix logits(4, Row(4)), transposed = logits;
    for (size_t s = 0; s < 4; ++s) {
      for (size_t p = 0; p < 4; ++p) {
        double cosine = 0;
        for (size_t k = 0; k < kDimension; ++k) cosine += features[s][k] * features[4 + p][k];
        logits[s][p] = transposed[p][s] = cosine / spec_.loss().temperature();
      }
    }
    return (CrossEntropy(logits, {0, 1, 2, 3}) + CrossEntropy(transposed, {0, 1, 2, 3})) / 2;
  }
  // Binary cross-entropies of the source, summed over attributes and rows.
  double AttributeSum(const Matrix& logits) const {
    const Matrix targets = MatrixOf(batch_.source_attributes);
    double sum = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      for (size_t a = 0; a < kAttributes; ++a) {
        const double p = Sigmoid(logits[i][a]);
        sum -= targets[i][a] > 0.5 ? std::log(p) : std::log(1 - p);
      }
    }
    return sum;
  }

  v1::TrainingSpec spec_;
  Step2Batch batch_;
  Matrix source_, photos_, sketches_;
};

constexpr double kTolerance = 1e-4;

TEST_F(HeadsReferenceTest, TermsOfThePaper) {
  const auto networks = Networks("paper");
  Reference reference(*networks);
  const auto terms = Terms(*networks);

  const Matrix after_neck = reference.BatchNorm(Concat({photos_, sketches_}), "encoder", "neck");
  const Matrix identities = reference.Dense(after_neck, "identity_classifier", "0");
  EXPECT_NEAR(terms.at("identity"),
              CrossEntropy({identities.begin(), identities.begin() + 4}, {0, 1, 2, 3}) +
                  CrossEntropy({identities.begin() + 4, identities.end()}, {0, 1, 2, 3}),
              kTolerance);
  const auto attributes = [&](const Matrix& x) {
    return reference.Head(x, "attribute_head", {0, 2, 4}, /*with_norm=*/false);
  };
  EXPECT_NEAR(terms.at("attribute"), AttributeSum(attributes(source_)) / 6, kTolerance);
  const Matrix photo = attributes(photos_), sketch = attributes(sketches_);
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
  EXPECT_NEAR(terms.at("attribute_entropy"), entropy, kTolerance);
  EXPECT_NEAR(terms.at("consistency"), consistency, kTolerance);
  double domain = 0;
  for (const auto& [x, label] :
       {std::pair(&source_, 0), std::pair(&photos_, 1), std::pair(&sketches_, 2)}) {
    domain += CrossEntropy(reference.Head(*x, "domain_classifier", {0, 2, 4}, /*with_norm=*/false),
                           std::vector<int>(x->size(), label));
  }
  EXPECT_NEAR(terms.at("domain"), domain, kTolerance);
  EXPECT_NEAR(terms.at("contrastive"), Contrastive(reference), kTolerance);
}

TEST_F(HeadsReferenceTest, TermsOfTheRelease) {
  const auto networks = Networks("release");
  Reference reference(*networks);
  const auto terms = Terms(*networks);

  // Each of the three has batch norms of its own rows.
  const auto attributes = [&](const Matrix& x) {
    return reference.Head(x, "attribute_head", {0, 4, 8}, /*with_norm=*/true);
  };
  EXPECT_NEAR(terms.at("attribute"), AttributeSum(attributes(source_)) / (6 * kAttributes),
              kTolerance);
  const Matrix photo = attributes(photos_), sketch = attributes(sketches_);
  double entropy = 0, consistency = 0;
  for (size_t i = 0; i < 4; ++i) {
    for (size_t a = 0; a < kAttributes; ++a) {
      const double p = Sigmoid(photo[i][a]), q = Sigmoid(sketch[i][a]);
      entropy -= (p * std::log2(p + 1e-6) + q * std::log2(q + 1e-6)) / (4 * std::log2(3));
      consistency += (p - q) * (p - q) / (4 * kAttributes);
    }
  }
  EXPECT_NEAR(terms.at("attribute_entropy"), entropy, kTolerance);
  EXPECT_NEAR(terms.at("consistency"), consistency, kTolerance);
  std::vector<Matrix> domains;
  for (const Matrix* x : {&source_, &photos_, &sketches_}) {
    domains.push_back(
        Softmax(reference.Head(*x, "domain_classifier", {0, 3, 6}, /*with_norm=*/true)));
  }
  EXPECT_NEAR(terms.at("domain"),
              -CrossEntropy(Concat(domains), {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}),
              kTolerance);
  EXPECT_NEAR(terms.at("contrastive"), Contrastive(reference), kTolerance);
}

}  // namespace
}  // namespace s2p::test
