// The processes that train one model together, as training sees them.
#ifndef S2P_TRAINER_PARALLEL_RANKS_H_
#define S2P_TRAINER_PARALLEL_RANKS_H_

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "model/backbone/sync_batch_norm.h"

namespace s2p {

// The rows `begin` to `end` - 1 of a batch. A value.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// The rows of `rank` among `count`: consecutive, and the counts of two ranks differ by at most one.
RowRange RowsOfRank(int rank, int count, int64_t rows);

// Each process has a rank, 0 to count() - 1, and its rows of every batch. All of them make the same
// calls in the same order; a call returns when all have made it. After a process is lost each call
// throws std::runtime_error, and status() says why. One thread only.
class Ranks : public StatisticsSum {
 public:
  virtual int rank() const = 0;
  virtual int count() const = 0;
  // Among the ranks of this machine.
  virtual int local_rank() const = 0;
  // Unavailable, naming the rank that is lost, once a call has failed.
  virtual absl::Status status() const = 0;

  // Replaces `tensor`, of one shape and type on all ranks, by the sum over the ranks: the same bits
  // on each of them.
  virtual void Sum(torch::Tensor tensor) = 0;
  // Replaces `tensor` by that of rank 0.
  virtual void Broadcast(torch::Tensor tensor) = 0;
  // [n, d] of every rank -> [count(), n, d] without a gradient, by rank.
  virtual torch::Tensor Gather(const torch::Tensor& mine) = 0;
  torch::Tensor SumStatistics(const torch::Tensor& mine) override;

  bool first() const { return rank() == 0; }
  RowRange RowsOf(int64_t rows) const { return RowsOfRank(rank(), count(), rows); }
  // [n, d], the rows of this rank out of `rows` -> [rows, d], those of all ranks. The gradient
  // reaches this rank's rows alone, so that the sum over the ranks of the gradients of what made
  // the rows is that of the whole batch.
  torch::Tensor GatherRows(const torch::Tensor& mine, int64_t rows);
  // Whether it is true on any rank.
  bool Any(bool mine);
  // Those of rank 0.
  double BroadcastNumber(double number);
  std::string BroadcastBytes(const std::string& bytes);
};

}  // namespace s2p

#endif  // S2P_TRAINER_PARALLEL_RANKS_H_
