// The layer that makes encoders work against a domain classifier.
#ifndef S2P_TRAINER_OPTIMIZATION_GRADIENT_REVERSAL_H_
#define S2P_TRAINER_OPTIMIZATION_GRADIENT_REVERSAL_H_

#include <torch/types.h>

namespace s2p {

// Forward: its argument. Backward: the gradient times -coefficient (Ganin and Lempitsky, ICML 2015,
// eq. 13). The coefficient is an argument and not a counter inside: Recipe::reversal_coefficient.
torch::Tensor ReverseGradient(const torch::Tensor& x, double coefficient);

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_GRADIENT_REVERSAL_H_
