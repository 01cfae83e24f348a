// Which attributes are worth sharing between source and target (Yang et al., IEEE TMM 2020, section
// IV-G, Fig. 4).
#ifndef S2P_TRAINER_IHDA_ATTRIBUTE_SELECTION_H_
#define S2P_TRAINER_IHDA_ATTRIBUTE_SELECTION_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/evaluation/attribute_accuracy.h"

namespace s2p {

struct AttributeSelectionOptions {
  // Folder to make, or an empty one: for the data set of predicted attributes. Its images are
  // symbolic links to the target's.
  std::string work_dir;
  // Kept: a balanced accuracy back on the source of at least this. 0.5 is guessing.
  double threshold = 0.6;
  // Where `initial_version` of a spec is looked up.
  std::string checkpoint_root;
  int threads = 0;
  // "source" or "target", and the progress of that training.
  std::function<void(const std::string&, const v1::TrainingProgress&)> on_progress;
  std::function<bool()> stop = [] { return false; };
};

struct SelectedAttribute {
  // Accuracy of the network that learned from predictions on the target, on the source's photos.
  AttributeAccuracy back;
  // Share of the target's photos that were not trained on that it was predicted for.
  double predicted_share = 0;
  bool kept = false;
};

// Follows the paper's procedure. Both steps are trained as the spec says, with the attributes that
// it chooses; those are predicted for the target's photos that were not trained on: of the splits
// "test" and "val", and of identities that are held back or beyond pair_fraction. E1 and C_att are
// then trained for the epochs of step 1 on these photos and predictions alone, from the spec's
// initial weights but never from a version, which knows the truth. What they predict for the
// source's train photos is compared with the truth. An attribute that survives the way there and
// back means the same in both domains. In the order of the data set. InvalidArgument if the spec
// has no source or its attribute term is off; FailedPrecondition if the source has no attributes,
// or fewer than two photos of the target are not trained on; else as IhdaTrainer.
absl::StatusOr<std::vector<SelectedAttribute>> SelectAttributes(
    const v1::TrainingSpec& resolved, const AttributeSelectionOptions& options);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_ATTRIBUTE_SELECTION_H_
