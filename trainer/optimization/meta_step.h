// A loss that is to be low after an update with another one.
#ifndef S2P_TRAINER_OPTIMIZATION_META_STEP_H_
#define S2P_TRAINER_OPTIMIZATION_META_STEP_H_

#include <torch/optim/optimizer.h>

#include <functional>

#include "absl/status/status.h"

namespace s2p {

// The first-order meta step of K. Li, K. Pang and Y.-Z. Song, "Photo Pre-Training, But for Sketch"
// (CVPR 2023, eq. 9): adds the gradient of a meta objective, taken where a step with the gradients
// of the main objective would bring the parameters, to those gradients. The dependence of that
// place on the parameters, a second-order term, is left out, as there.
//
// The optimizer's parameters have the gradients of the main objective. `step` moves the parameters
// with them, and may change them; `backward` leaves the gradients of the meta objective in the same
// places. Afterwards parameters and optimizer are as they were, and each gradient is the sum of
// both. The paper's step is that of plain gradient descent; `step` may be any update of Adam or
// AdamW, which is what moves the parameters here: a step along the gradient, of the same rate,
// would be shorter by orders of magnitude. Returns what `backward` returns. One thread only.
absl::Status AddMetaGradient(torch::optim::Optimizer& optimizer, const std::function<void()>& step,
                             const std::function<absl::Status()>& backward);

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_META_STEP_H_
