// The statistics of batch norms whose weights did not come from training.
#ifndef S2P_TRAINER_OPTIMIZATION_BATCH_STATISTICS_H_
#define S2P_TRAINER_OPTIMIZATION_BATCH_STATISTICS_H_

#include <torch/nn/module.h>

#include <functional>
#include <vector>

namespace s2p {

// While it lives, each batch norm in a network that was in training mode at its beginning replaces
// its running mean and variance by the plain means of those of the batches that it sees, as a mean
// of weights needs (P. Izmailov et al., "Averaging Weights Leads to Wider Optima and Better
// Generalization", UAI 2018, section 3.2). A batch norm that sees no batch keeps what it has.
// Counters of batches stay as they are. One thread only.
class BatchStatistics {
 public:
  // `network` is borrowed and must outlive this.
  explicit BatchStatistics(torch::nn::Module& network);
  ~BatchStatistics();
  BatchStatistics(const BatchStatistics&) = delete;
  BatchStatistics& operator=(const BatchStatistics&) = delete;

  // True if no batch norm is in training mode, so that no batch needs to be shown.
  bool empty() const { return restore_.empty(); }

 private:
  std::vector<std::function<void()>> restore_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_BATCH_STATISTICS_H_
