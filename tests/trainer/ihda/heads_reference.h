// The networks' heads and IHDA's loss terms in plain loops of float64, and a batch to compare them
// on.
#ifndef S2P_TESTS_TRAINER_IHDA_HEADS_REFERENCE_H_
#define S2P_TESTS_TRAINER_IHDA_HEADS_REFERENCE_H_

#include <gtest/gtest.h>
#include <torch/nn/modules/dropout.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/message_text.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

// The rows of a tensor [n, d]; a tensor [d] is one row.
inline Matrix MatrixOf(const torch::Tensor& tensor) {
  const torch::Tensor rows = tensor.detach().to(torch::kFloat64).contiguous();
  const int64_t n = rows.dim() == 1 ? 1 : rows.size(0), d = rows.size(-1);
  Matrix matrix(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double* begin = rows.data_ptr<double>() + i * d;
    matrix[static_cast<size_t>(i)].assign(begin, begin + d);
  }
  return matrix;
}

inline Matrix Concat(const std::vector<Matrix>& parts) {
  Matrix all;
  for (const Matrix& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Rows begin, begin + stride and so on.
inline Matrix EachOf(const Matrix& x, size_t begin, size_t stride) {
  Matrix rows;
  for (size_t i = begin; i < x.size(); i += stride) rows.push_back(x[i]);
  return rows;
}

// A saved network's layers, by the names of IhdaNetworks::Save.
class Reference {
 public:
  explicit Reference(const IhdaNetworks& networks) {
    const std::string bytes = networks.Save();
    archive_.load_from(bytes.data(), bytes.size());
  }

  // Weights [out, in] or one row; changes to them count from then on.
  Matrix& Weights(const std::string& part, const std::string& layer, const std::string& name) {
    Matrix& weights = weights_[part + "." + layer + "." + name];
    if (weights.empty()) weights = Read(part, layer, name);
    return weights;
  }
  Matrix Dense(const Matrix& x, const std::string& part, const std::string& layer) {
    const Matrix& weight = Weights(part, layer, "weight");
    const Matrix& bias = Weights(part, layer, "bias");
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
    const Matrix& weight = Weights(part, layer, "weight");
    const Matrix& bias = Weights(part, layer, "bias");
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
  // The heads of the two forms.
  Matrix DenseDomains(const Matrix& x) {
    return Head(x, "domain_classifier", {0, 2, 4}, /*with_norm=*/false);
  }
  Matrix NormDomains(const Matrix& x) {
    return Head(x, "domain_classifier", {0, 3, 6}, /*with_norm=*/true);
  }
  Matrix DenseAttributes(const Matrix& x) {
    return Head(x, "attribute_head", {0, 2, 4}, /*with_norm=*/false);
  }
  Matrix NormAttributes(const Matrix& x) {
    return Head(x, "attribute_head", {0, 4, 8}, /*with_norm=*/true);
  }
  Matrix Neck(const Matrix& x) { return BatchNorm(x, "encoder", "neck"); }

 private:
  Matrix Read(const std::string& part, const std::string& layer, const std::string& name) {
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
  std::map<std::string, Matrix> weights_;
};

inline double Sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

// Mean over the rows; `smoothing` is the share of the label that is spread over all classes.
inline double CrossEntropy(const Matrix& logits, const std::vector<int>& labels,
                           double smoothing = 0) {
  double loss = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    double sum = 0, mean = 0;
    for (const double z : logits[i]) sum += std::exp(z);
    for (const double z : logits[i]) mean += z / static_cast<double>(logits[i].size());
    loss += std::log(sum) - smoothing * mean -
            (1 - smoothing) * logits[i][static_cast<size_t>(labels[i])];
  }
  return loss / static_cast<double>(logits.size());
}

inline Matrix Softmax(Matrix logits) {
  for (Row& row : logits) {
    double sum = 0;
    for (double& z : row) sum += z = std::exp(z);
    for (double& p : row) p /= sum;
  }
  return logits;
}

inline double SquaredDistance(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

// Mean over the anchors of the hinge of the farthest candidate with the anchor's label and the
// nearest one with another; Euclidean distances, or their squares.
inline double HardestTriplets(const Matrix& anchors, const std::vector<int>& labels,
                              const Matrix& candidates, const std::vector<int>& candidate_labels,
                              double margin, bool squared) {
  double loss = 0;
  for (size_t i = 0; i < anchors.size(); ++i) {
    double positive = 0, negative = std::numeric_limits<double>::infinity();
    for (size_t j = 0; j < candidates.size(); ++j) {
      const double square = SquaredDistance(anchors[i], candidates[j]);
      const double distance = squared ? square : std::sqrt(square);
      if (labels[i] == candidate_labels[j]) {
        positive = std::max(positive, distance);
      } else {
        negative = std::min(negative, distance);
      }
    }
    loss += std::max(0.0, positive - negative + margin);
  }
  return loss / static_cast<double>(anchors.size());
}

// Symmetric InfoNCE of rows that belong together, after each is scaled to length 1.
inline double InfoNce(Matrix a, Matrix b, double temperature) {
  for (Matrix* x : {&a, &b}) {
    for (Row& row : *x) {
      const double norm = std::sqrt(SquaredDistance(row, Row(row.size())));
      for (double& v : row) v /= norm;
    }
  }
  Matrix logits(a.size(), Row(b.size())), transposed = logits;
  std::vector<int> labels;
  for (size_t i = 0; i < a.size(); ++i) {
    labels.push_back(static_cast<int>(i));
    for (size_t j = 0; j < b.size(); ++j) {
      double cosine = 0;
      for (size_t k = 0; k < a[i].size(); ++k) cosine += a[i][k] * b[j][k];
      logits[i][j] = transposed[j][i] = cosine / temperature;
    }
  }
  return (CrossEntropy(logits, labels) + CrossEntropy(transposed, labels)) / 2;
}

// Binary cross-entropies, summed over attributes and rows.
inline double AttributeSum(const Matrix& logits, const Matrix& targets) {
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    for (size_t a = 0; a < logits[i].size(); ++a) {
      const double p = Sigmoid(logits[i][a]);
      sum -= targets[i][a] > 0.5 ? std::log(p) : std::log(1 - p);
    }
  }
  return sum;
}

// Networks with heads of either recipe, and batches of both steps.
class HeadsTest : public testing::Test {
 protected:
  static constexpr int kDimension = 16, kStage3 = 12, kIdentities = 4, kAttributes = 3;
  // Two photos of each identity in step 1.
  static constexpr int kSource = 2 * kIdentities;

  // Source, photos and sketches differ in mean and scale, which a batch norm of each removes.
  HeadsTest() {
    torch::manual_seed(11);
    const auto make = [](int rows, double scale, double mean) {
      return DualEncoderOutput{scale * torch::randn({rows, kStage3}) + mean,
                               scale * torch::randn({rows, kDimension}) + mean};
    };
    batch_.source = make(kSource, 1, -2);
    batch_.photo = make(kIdentities, 2, 1);
    batch_.sketch = make(kIdentities, 0.5, 3);
    batch_.labels = torch::arange(kIdentities);
    batch_.source_attributes = torch::randint(0, 2, {kSource, kAttributes}).to(torch::kFloat32);
    source_ = MatrixOf(batch_.source.embedding);
    photos_ = MatrixOf(batch_.photo.embedding);
    sketches_ = MatrixOf(batch_.sketch.embedding);
    attributes_ = MatrixOf(batch_.source_attributes);
  }

  // Networks in training mode without dropout in the attribute head. Every term is on, with a
  // weight of its own.
  std::unique_ptr<IhdaNetworks> Networks(const std::string& recipe, int ihda_step = 2) {
    spec_.Clear();
    spec_.set_preset("demo");
    for (const std::string& field :
         std::vector<std::string>{"recipe=" + recipe, "embedding.grid=1", "embedding.dimension=16",
                                  "embedding.neck=batch_norm", "embedding.retrieval_feature=neck",
                                  "step1.images_per_identity=2", "step1.attribute_factor=10"}) {
      EXPECT_THAT(SetMessageField(field, spec_), IsOk());
    }
    spec_ = *ResolveSpec(spec_);
    auto& loss = *spec_.mutable_loss();
    loss.set_identity(1.5);
    loss.set_triplet(0.7);
    loss.set_attribute(0.2);
    loss.set_attribute_entropy(0.3);
    loss.set_consistency(0.4);
    loss.set_domain(0.6);
    loss.set_contrastive(0.8);
    loss.set_label_smoothing(recipe == "release" ? 0.1 : 0);
    torch::manual_seed(12);
    auto networks =
        *IhdaNetworks::Create(spec_, *ManifestOf(spec_, {"boots", "laces", "heel"}), torch::kCPU);
    networks->BeginStep(ihda_step, kIdentities);
    networks->SetTraining();
    for (const auto& module : networks->encoder().modules()) {
      if (auto* dropout = module->as<torch::nn::Dropout>()) dropout->eval();
    }
    return networks;
  }

  v1::TrainingSpec spec_;
  Step2Batch batch_;
  Matrix source_, photos_, sketches_, attributes_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_IHDA_HEADS_REFERENCE_H_
