// The weighted sum of loss terms, term by term.
#ifndef S2P_TRAINER_OPTIMIZATION_LOSS_SUM_H_
#define S2P_TRAINER_OPTIMIZATION_LOSS_SUM_H_

#include <torch/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// The terms of one update. One thread only.
class LossSum {
 public:
  // Several of one name are added up. A weight of 0 leaves the term out.
  void Add(const char* name, double weight, const torch::Tensor& value);

  bool empty() const { return terms_.empty(); }
  // Scalar; requires a term.
  torch::Tensor Total() const;
  // Each term before its weight, and "total", as numbers. If `values` has those of another sum of
  // the update, the terms are added to them, and the total is that of both. InvalidArgument naming
  // the first term that is not finite: an update with it would ruin every weight.
  absl::Status Read(std::vector<std::pair<std::string, double>>& values) const;

 private:
  struct Term {
    std::string name;
    double weight;
    torch::Tensor value;
  };
  std::vector<Term> terms_;
};

// Means of terms over several batches. One thread only.
class LossMeans {
 public:
  void Add(const std::string& name, double value);
  // The losses of `progress`.
  void Add(const v1::TrainingProgress& progress);
  // Replaces the losses of `progress` by the means, in the order of their first Add, and starts
  // again from nothing.
  void TakeInto(v1::TrainingProgress& progress);

 private:
  struct Mean {
    std::string name;
    double sum = 0;
    int count = 0;
  };
  std::vector<Mean> means_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_LOSS_SUM_H_
