// Measuring a checkpoint on a data set, through its own preprocessing.
#ifndef S2P_TRAINER_EVALUATION_CHECKPOINT_EVALUATION_H_
#define S2P_TRAINER_EVALUATION_CHECKPOINT_EVALUATION_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/checkpoint.h"
#include "model/dual_encoder.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/attribute_accuracy.h"
#include "trainer/evaluation/evaluator.h"

namespace s2p {

struct CheckpointEvaluationOptions {
  // As SelectDevice takes it.
  std::string device = "auto";
  // Threads of LibTorch's CPU kernels and of decoding; 0: one per core.
  int threads = 0;
  // Share of the images that may be missing or broken.
  double max_unreadable = 0;
};

// The checkpoint's networks with its weights, on the device. InvalidArgument for the device;
// DataLoss if the weights do not fit the manifest.
absl::StatusOr<std::shared_ptr<DualEncoder>> LoadNetworks(
    const Checkpoint& checkpoint, const CheckpointEvaluationOptions& options);

// Retrieval. InvalidArgument for device or direction; else as LoadNetworks, LoadEvaluationSet and
// Evaluate. `evaluation.dataset` is set, its split is the caller's.
absl::StatusOr<EvaluationResult> EvaluateCheckpoint(const Checkpoint& checkpoint,
                                                    const DataSet& data_set,
                                                    const std::vector<DataSetImage>& images,
                                                    const std::string& direction,
                                                    const CheckpointEvaluationOptions& options);

// Measures the attributes that model and data set both have on the photos among `images`; empty if
// there is none in common or no photo's attributes are known.
absl::StatusOr<std::vector<AttributeAccuracy>> MeasureAttributes(
    DualEncoder& encoder, const v1::CheckpointManifest& manifest, const DataSet& data_set,
    const std::vector<DataSetImage>& images, int threads);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_CHECKPOINT_EVALUATION_H_
