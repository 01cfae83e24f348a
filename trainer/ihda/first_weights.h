// The weights that training starts from.
#ifndef S2P_TRAINER_IHDA_FIRST_WEIGHTS_H_
#define S2P_TRAINER_IHDA_FIRST_WEIGHTS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/dual_encoder.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// Loads what the spec's `initial` names: a file of the backbone's weights, or a version in
// `checkpoint_root`. Without either the encoder stays as it is. `attributes` are the names of those
// that the encoder predicts, in order; where a version has them in another one, the outputs of its
// head are put into this one. InvalidArgument if the weights are another network's; else as
// ReadWeights and CheckpointStore::Read.
absl::Status LoadFirstWeights(const v1::TrainingSpec& spec, const std::string& checkpoint_root,
                              const std::vector<std::string>& attributes, DualEncoder& encoder);

// Fits the projection to the data where the backbone's weights come from a file
// (trainer/start/projection_init.h). Returns the share of people's sketches that the run is to have
// (trainer/ihda/human_share.h): where there are several to try and a projection is fitted, the one
// whose start has the highest mAP, sketch to photo, on the held-back sketches. Requires
// LoadFirstWeights. Cancelled within a batch once `stop` is true; else errors as
// InitializeProjection and Evaluate.
absl::StatusOr<double> FitFirstProjection(const v1::TrainingSpec& spec, const TrainingData& data,
                                          DualEncoder& encoder,
                                          const std::function<bool()>& stop = {});

// NotFound, naming the store and what to do, if there is no such version in it.
absl::Status FindInitialVersion(const std::string& checkpoint_root, int64_t version);

// InvalidArgument, listing both, unless the version predicts these attributes, in whatever order:
// its head would otherwise continue with the weights of other ones.
absl::Status CheckAttributes(const v1::CheckpointManifest& version,
                             const std::vector<std::string>& attributes);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_FIRST_WEIGHTS_H_
