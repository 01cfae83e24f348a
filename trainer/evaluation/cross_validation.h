// One number of several splits.
#ifndef S2P_TRAINER_EVALUATION_CROSS_VALIDATION_H_
#define S2P_TRAINER_EVALUATION_CROSS_VALIDATION_H_

#include <vector>

#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

struct EvaluationSpread {
  int splits = 0;
  // Fractions as in each evaluation; queries, gallery and unmatched are sums.
  v1::Evaluation mean;
  // Sample standard deviations (n - 1) of the fractions; 0 for one split.
  v1::Evaluation deviation;
};

// The spread of evaluations of one direction, one for each split. Requires at least one.
EvaluationSpread SpreadOf(const std::vector<v1::Evaluation>& evaluations);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_CROSS_VALIDATION_H_
