// The weights that training starts from.
#ifndef S2P_TRAINER_IHDA_FIRST_WEIGHTS_H_
#define S2P_TRAINER_IHDA_FIRST_WEIGHTS_H_

#include <string>

#include "absl/status/status.h"
#include "model/dual_encoder.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// Loads what the spec's `initial` names: a file of the backbone's weights, to which the projection
// is fitted (trainer/ihda/projection_init.h), or a version in `checkpoint_root`. Without either the
// encoder stays as it is. InvalidArgument if they are another network's; else as ReadSafetensors,
// InitializeProjection and CheckpointStore::Read.
absl::Status LoadFirstWeights(const v1::TrainingSpec& spec, const std::string& checkpoint_root,
                              const TrainingData& data, DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_FIRST_WEIGHTS_H_
