// Removes from features, by a linear map, the differences between a sketch and its photo.
#ifndef S2P_TRAINER_START_PAIR_WHITENING_H_
#define S2P_TRAINER_START_PAIR_WHITENING_H_

#include <torch/types.h>

#include <vector>

namespace s2p {

// All tensors are on the CPU and of one floating type.

// [k, d]: the rows of `sketches` [n, d] less the mean of the rows of `photos` [m, d] with the same
// label; those without such a photo are left out, so that k may be 0. One label for each row.
torch::Tensor PairDifferences(const torch::Tensor& photos, const std::vector<int>& photo_labels,
                              const torch::Tensor& sketches, const std::vector<int>& sketch_labels);

// The symmetric map [d, d] that gives the differences [k, d] the same scatter in every direction:
// (C + shrinkage * trace(C) / d * I)^(-1/2), with C their mean outer product. `shrinkage` >= 0: how
// far C is drawn towards a multiple of the identity (O. Ledoit & M. Wolf, 2004); at 0 eigenvalues
// below 1e-6 of their mean count as that much. The identity where all differences are 0 or there
// are none. The whitening learned from matching pairs of K. Mikolajczyk & J. Matas (ICCV 2007) and
// F. Radenovic et al. (TPAMI 2019).
torch::Tensor PairWhitening(const torch::Tensor& differences, double shrinkage);

}  // namespace s2p

#endif  // S2P_TRAINER_START_PAIR_WHITENING_H_
