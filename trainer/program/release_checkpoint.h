// A model as the authors of IHDA released theirs, turned into one of ours.
#ifndef S2P_TRAINER_PROGRAM_RELEASE_CHECKPOINT_H_
#define S2P_TRAINER_PROGRAM_RELEASE_CHECKPOINT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "model/safetensors.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/ihda_trainer.h"

namespace s2p {

// The spec of the released models of a preset: the preset itself if it follows the release's
// recipe, else the one called PRESET-release. InvalidArgument if there is neither.
absl::StatusOr<v1::TrainingSpec> ReleaseSpec(const std::string& preset);

// `weights` are those of a released file after tools/convert_weights.py: Embed_net_1 (photos),
// Embed_net_2 (sketches), Classify_net (of it the neck), A_net (attributes); its classifier and
// D_net are of no use for retrieval and left out. A prefix "module." is dropped, a missing
// "num_batches_tracked" is 0. How many attributes there are follows from A_net; `attributes` names
// them in order, empty: "attribute 1" and so on. The manifest is complete but for what
// CheckpointStore::Publish fills in. InvalidArgument naming the first tensor, as the file calls it,
// that is missing, surplus, of another shape or type or not finite, or if the number of names is
// not that of A_net.
absl::StatusOr<TrainedModel> ModelOfRelease(const TensorMap& weights,
                                            const v1::TrainingSpec& release_spec,
                                            const std::vector<std::string>& attributes);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_RELEASE_CHECKPOINT_H_
