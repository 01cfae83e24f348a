#include "trainer/start/pair_whitening.h"

#include <map>

#include "base/check.h"

namespace s2p {

torch::Tensor PairDifferences(const torch::Tensor& photos, const std::vector<int>& photo_labels,
                              const torch::Tensor& sketches,
                              const std::vector<int>& sketch_labels) {
  S2P_CHECK(photos.size(0) == static_cast<int64_t>(photo_labels.size()));
  S2P_CHECK(sketches.size(0) == static_cast<int64_t>(sketch_labels.size()));
  std::map<int, std::vector<int64_t>> photos_of;
  for (size_t i = 0; i < photo_labels.size(); ++i) {
    photos_of[photo_labels[i]].push_back(static_cast<int64_t>(i));
  }
  std::vector<torch::Tensor> differences;
  for (size_t i = 0; i < sketch_labels.size(); ++i) {
    const auto own = photos_of.find(sketch_labels[i]);
    if (own == photos_of.end()) continue;
    const torch::Tensor rows = torch::tensor(own->second, torch::kLong);
    differences.push_back(sketches[static_cast<int64_t>(i)] - photos.index_select(0, rows).mean(0));
  }
  return differences.empty() ? sketches.narrow(0, 0, 0) : torch::stack(differences);
}

torch::Tensor PairWhitening(const torch::Tensor& differences, double shrinkage) {
  const int64_t dimension = differences.size(1);
  const torch::Tensor unchanged = torch::eye(dimension, differences.options());
  if (differences.size(0) == 0) return unchanged;
  const torch::Tensor scatter = torch::matmul(differences.t(), differences) / differences.size(0);
  const double mean_variance = scatter.trace().item<double>() / static_cast<double>(dimension);
  if (mean_variance <= 0) return unchanged;
  const auto [values, vectors] =
      torch::linalg_eigh(scatter + shrinkage * mean_variance * unchanged, "L");
  // Rounding may leave an eigenvalue below 0.
  const torch::Tensor lengths = values.clamp_min(1e-6 * mean_variance).rsqrt();
  return torch::matmul(vectors * lengths.unsqueeze(0), vectors.t());
}

}  // namespace s2p
