// What a sketch and its photo differ in, taken out of features by a linear map.
#ifndef S2P_TRAINER_PAIR_WHITENING_H_
#define S2P_TRAINER_PAIR_WHITENING_H_

#include <torch/torch.h>

#include <vector>

namespace s2p {

// `sketches` [n, d] less the mean of the rows of `photos` [m, d] with the same label; rows without
// such a photo are left out. One label for each row.
torch::Tensor PairDifferences(const torch::Tensor& photos, const std::vector<int>& photo_labels,
                              const torch::Tensor& sketches, const std::vector<int>& sketch_labels);

// The map [d, d] that gives the differences [n, d] the same scatter in every direction:
// (C + shrinkage * trace(C) / d * I)^(-1/2), with C their mean outer product; symmetric, on the
// CPU. The identity where all differences are 0 or there are none. The whitening learned from
// matching pairs of K. Mikolajczyk & J. Matas (ICCV 2007) and F. Radenovic et al. (TPAMI 2019,
// section 3.3), with shrinkage (O. Ledoit & M. Wolf, 2004). Of the type of `differences`. Throws
// c10::Error as LibTorch does.
torch::Tensor PairWhitening(const torch::Tensor& differences, double shrinkage);

}  // namespace s2p

#endif  // S2P_TRAINER_PAIR_WHITENING_H_
