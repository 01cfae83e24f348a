// Batch norm over a batch whose rows several processes hold.
#ifndef S2P_MODEL_BACKBONE_SYNC_BATCH_NORM_H_
#define S2P_MODEL_BACKBONE_SYNC_BATCH_NORM_H_

#include <torch/nn/modules/batchnorm.h>
#include <torch/types.h>

namespace s2p {

// Adds up statistics over the processes that hold the rows of a batch. Called by all of them in the
// same order. One thread only.
class StatisticsSum {
 public:
  virtual ~StatisticsSum() = default;
  // [m] float64 of this process -> [m] of all, on the same device. Throws if a process is lost.
  virtual torch::Tensor SumStatistics(const torch::Tensor& mine) = 0;
};

// LibTorch's BatchNorm2d, bit for bit, until it shares statistics. From then on, in training mode,
// it normalises by mean and variance of the rows of all processes, and its gradient is that of the
// whole batch (S. Ioffe and C. Szegedy, ICML 2015, section 3): what comes out is what one process
// with all rows computes, up to rounding. Gradients of weight and bias are of this process's rows;
// their sum over the processes is the whole. Statistics are merged in float64. A process may hold
// no row. It holds the layer instead of deriving from it, because LibTorch does not export what a
// derived class needs. One thread only.
class SyncBatchNorm2d {
 public:
  // `layer` is shared with the module that has registered it.
  explicit SyncBatchNorm2d(torch::nn::BatchNorm2d layer);
  const torch::nn::BatchNorm2d& layer() const { return layer_; }
  // [n, c, h, w] -> the same.
  torch::Tensor operator()(const torch::Tensor& x);
  // `sum` is borrowed and must outlive this; null: this process has the whole batch.
  void ShareStatistics(StatisticsSum* sum) { sum_ = sum; }

 private:
  // Counts a batch. The weight of its statistics in the running ones.
  double CountBatch();
  torch::Tensor ForwardShared(const torch::Tensor& x);

  torch::nn::BatchNorm2d layer_;
  StatisticsSum* sum_ = nullptr;
};

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_SYNC_BATCH_NORM_H_
