// Classifiers that only training needs: identities (C_id) and domains (C_d).
#ifndef S2P_TRAINER_IHDA_HEADS_H_
#define S2P_TRAINER_IHDA_HEADS_H_

#include <torch/torch.h>

namespace s2p {

// [n, dimension] -> [n, identities] logits of one linear layer, weights N(0, 0.001). `dropout` is
// the share of its input that is dropped in training: 0 in the paper, 0.7 in the release.
torch::nn::Sequential IdentityClassifier(int dimension, int identities, double dropout);

// [n, dimension] -> [n, 3] logits of source, photo and sketch: three dense layers with batch norm
// and LeakyReLU(0.1), `width` hidden units: 512 in the paper, 128 in the release.
torch::nn::Sequential DomainClassifier(int dimension, int width);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_HEADS_H_
