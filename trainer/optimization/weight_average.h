// The mean of the weights that several runs end with.
#ifndef S2P_TRAINER_OPTIMIZATION_WEIGHT_AVERAGE_H_
#define S2P_TRAINER_OPTIMIZATION_WEIGHT_AVERAGE_H_

#include "model/safetensors.h"

namespace s2p {

// Runs that start from the same weights stay in one basin of the loss, and the mean of their last
// weights is better than any of them (model soups; M. Wortsman et al., ICML 2022). Statistics of
// batch norms are averaged like weights, which is right where they are frozen; elsewhere they are
// not the mean network's, and are to be estimated again (trainer/optimization/batch_statistics.h).
// A value. Thread-compatible.
class WeightAverage {
 public:
  // Requires the same tensors each time, of float32 or int64.
  void Add(const TensorMap& weights);
  int count() const { return count_; }
  // (1 - share) * the mean of the runs + share * `start`, which has the same tensors (WiSE-FT; M.
  // Wortsman et al., CVPR 2022): the weights that the runs began with forget less than those they
  // end with. Integer tensors, which are counters, are those of the run added last. Requires
  // count() > 0, and `share` in [0, 1).
  TensorMap Mean(const TensorMap& start, double share) const;

  // The sum so far, and an average that continues from such a sum after a crash.
  const TensorMap& sum() const { return sum_; }
  static WeightAverage FromSum(TensorMap sum, int count);

 private:
  TensorMap sum_;
  int count_ = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_WEIGHT_AVERAGE_H_
