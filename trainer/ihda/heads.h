// Classifiers that only training needs: identities (C_id) and domains (C_d).
#ifndef S2P_TRAINER_IHDA_HEADS_H_
#define S2P_TRAINER_IHDA_HEADS_H_

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>

#include "model/dual_encoder.h"

namespace s2p {

// [n, dimension] -> [n, identities] logits of one linear layer, weights N(0, 0.001). `dropout` is
// the share of its input that is dropped in training: 0 in the paper, 0.7 in the release.
torch::nn::Sequential IdentityClassifier(int dimension, int identities, double dropout);

// [n, dimension] -> [n, 3] logits of source, photo and sketch: three dense layers with `width`
// hidden units, 512 in the paper and 128 in the release; between them ReLU in the dense form, batch
// norm and LeakyReLU(0.1) in the other.
torch::nn::Sequential DomainClassifier(int dimension, int width, HeadForm form);

// Draws the weights of the dense layers in `head` from N(0, 2 / outputs) and sets their biases to
// 0: the release's weights_init_kaiming, which it applies to A_net and D_net. Batch norms begin as
// LibTorch makes them, with scale 1 and bias 0, as the release's do.
void InitializeAsRelease(torch::nn::Module& head);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_HEADS_H_
