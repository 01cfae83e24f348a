// Discriminant axes from few images: channels and cells of the pooled features are analysed
// separately.
#ifndef S2P_TRAINER_START_SEPARABLE_AXES_H_
#define S2P_TRAINER_START_SEPARABLE_AXES_H_

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace s2p {

// A part of the pooled features: one value for each channel and cell, channel by channel.
struct PooledBlock {
  int64_t channels = 0;
  int64_t cells = 0;
};

// The `most` directions [most, p] in which the rows of `centred` [n, p] vary most, measured by how
// much those of `differences` [k, p] do: unit difference has length 1. Both are float64 on the CPU;
// p is the sum of the blocks' values, and at least `most`; n > 0. Largest first.
//
// The covariance of each block is taken to be the Kronecker product of one of channels and one of
// cells (P. Dutilleul, 1999: the matrix normal distribution), and blocks to be independent. Ten
// images of 16 cells are 160 samples of the channels, so that all directions get an estimate, where
// principal components see no more directions than images. `shrinkage` as in PairWhitening, for
// channels and for cells.
torch::Tensor SeparableAxes(const torch::Tensor& centred, const torch::Tensor& differences,
                            const std::vector<PooledBlock>& blocks, double shrinkage, int64_t most);

}  // namespace s2p

#endif  // S2P_TRAINER_START_SEPARABLE_AXES_H_
