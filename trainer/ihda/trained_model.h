// The model that a training run has made.
#ifndef S2P_TRAINER_IHDA_TRAINED_MODEL_H_
#define S2P_TRAINER_IHDA_TRAINED_MODEL_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/dual_encoder.h"
#include "model/safetensors.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/run_plan.h"

namespace s2p {

struct TrainedModel {
  // Complete but for what CheckpointStore::Publish fills in.
  v1::CheckpointManifest manifest;
  TensorMap weights;
  // False for a model of photos and their pseudo-sketches alone: every pair that people have drawn
  // is new to it, unless it starts from a version that has seen some.
  bool has_seen_pairs = true;
};

// Copies the encoder's weights as they are, and adds evaluations, provenance and golden probe to
// `manifest`, which describes its networks. InvalidArgument naming the first tensor that is not
// finite; ResourceExhausted when device or CPU are out of memory; Internal for other errors of
// theirs.
absl::StatusOr<TrainedModel> MakeTrainedModel(const v1::TrainingSpec& spec,
                                              const OpenDataSets& data_sets,
                                              const RunContents& contents,
                                              const v1::CheckpointManifest& manifest,
                                              const std::vector<v1::Evaluation>& evaluations,
                                              const std::string& job_id, DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_TRAINED_MODEL_H_
