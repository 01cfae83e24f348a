#include "trainer/start/separable_axes.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "trainer/start/pair_whitening.h"

namespace s2p {
namespace {

// The features of one block as samples of its channels and as samples of its cells.
struct Samples {
  // [n * cells, channels] and [n * channels, cells].
  torch::Tensor channels, cells;
};

Samples SamplesOf(const torch::Tensor& features, int64_t first, const PooledBlock& block) {
  const torch::Tensor values = features.narrow(1, first, block.channels * block.cells)
                                   .reshape({features.size(0), block.channels, block.cells});
  return {values.transpose(1, 2).reshape({-1, block.channels}), values.reshape({-1, block.cells})};
}

// The directions along one factor: rows of `axes`, and the variance of each.
struct Factor {
  torch::Tensor axes, variances;
};

Factor FactorOf(const torch::Tensor& samples, const torch::Tensor& differences, double shrinkage) {
  const torch::Tensor whitening = PairWhitening(differences, shrinkage);
  const torch::Tensor whitened = torch::matmul(samples, whitening);
  const auto [values, vectors] =
      torch::linalg_eigh(torch::matmul(whitened.t(), whitened) / samples.size(0), "L");
  return {torch::matmul(vectors.t(), whitening), values.clamp_min(0)};
}

// An axis of one block: the product of one of each factor.
struct Candidate {
  double variance = 0;
  size_t block = 0;
  int64_t channel_axis = 0, cell_axis = 0;
};

struct BlockAxes {
  int64_t first = 0;
  Factor channels, cells;
  // The factor by which the product of the factors' axes is scaled to give differences the
  // length 1.
  double scale = 1;
};

BlockAxes AxesOfBlock(const torch::Tensor& centred, const torch::Tensor& differences, int64_t first,
                      const PooledBlock& block, double shrinkage) {
  const Samples samples = SamplesOf(centred, first, block);
  const Samples of_differences = SamplesOf(differences, first, block);
  BlockAxes axes;
  axes.first = first;
  axes.channels = FactorOf(samples.channels, of_differences.channels, shrinkage);
  axes.cells = FactorOf(samples.cells, of_differences.cells, shrinkage);
  // Each factor has been whitened by the mean variance of a value, so that it counts twice.
  const double variance =
      differences.size(0) == 0 ? 0 : of_differences.cells.square().mean().item<double>();
  if (variance > 0) axes.scale = std::sqrt(variance);
  // Likewise for the variance of the features.
  const double total = samples.cells.square().mean().item<double>();
  if (total > 0) axes.cells.variances = axes.cells.variances / total;
  return axes;
}

void AddCandidates(const BlockAxes& axes, size_t block, std::vector<Candidate>& candidates) {
  const torch::Tensor variances =
      torch::outer(axes.channels.variances, axes.cells.variances) * (axes.scale * axes.scale);
  const auto values = variances.accessor<double, 2>();
  for (int64_t i = 0; i < variances.size(0); ++i) {
    for (int64_t j = 0; j < variances.size(1); ++j) {
      candidates.push_back({values[i][j], block, i, j});
    }
  }
}

}  // namespace

torch::Tensor SeparableAxes(const torch::Tensor& centred, const torch::Tensor& differences,
                            const std::vector<PooledBlock>& blocks, double shrinkage,
                            int64_t most) {
  std::vector<BlockAxes> axes;
  std::vector<Candidate> candidates;
  int64_t first = 0;
  for (const PooledBlock& block : blocks) {
    axes.push_back(AxesOfBlock(centred, differences, first, block, shrinkage));
    AddCandidates(axes.back(), axes.size() - 1, candidates);
    first += block.channels * block.cells;
  }
  S2P_CHECK(first == centred.size(1) && most <= first);
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.variance > b.variance; });
  torch::Tensor result = torch::zeros({most, first}, centred.options());
  for (int64_t row = 0; row < most; ++row) {
    const Candidate& candidate = candidates[static_cast<size_t>(row)];
    const BlockAxes& of = axes[candidate.block];
    const torch::Tensor axis =
        torch::outer(of.channels.axes[candidate.channel_axis], of.cells.axes[candidate.cell_axis]);
    result[row].narrow(0, of.first, axis.numel()).copy_(of.scale * axis.reshape({-1}));
  }
  return result;
}

}  // namespace s2p
