// Measuring a checkpoint on a data set, through its own preprocessing.
#ifndef S2P_TRAINER_CHECKPOINT_EVALUATION_H_
#define S2P_TRAINER_CHECKPOINT_EVALUATION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "trainer/data_set.h"
#include "trainer/evaluator.h"

namespace s2p {

struct CheckpointEvaluationOptions {
  // As SelectDevice takes it.
  std::string device = "auto";
  // Of LibTorch's CPU kernels and of decoding; 0: one per core.
  int threads = 0;
};

// InvalidArgument for device or direction; DataLoss if the weights do not fit the manifest; else as
// LoadEvaluationSet and Evaluate. `evaluation.dataset` is set, its split is the caller's.
absl::StatusOr<EvaluationResult> EvaluateCheckpoint(const Checkpoint& checkpoint,
                                                    const DataSet& data_set,
                                                    const std::vector<DataSetImage>& images,
                                                    const std::string& direction,
                                                    const CheckpointEvaluationOptions& options);

}  // namespace s2p

#endif  // S2P_TRAINER_CHECKPOINT_EVALUATION_H_
