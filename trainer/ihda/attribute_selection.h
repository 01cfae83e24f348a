// Which attributes are worth sharing between source and target (Yang et al., IEEE TMM 2020, Fig.
// 4).
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
  // Where `initial_version` of the spec is looked up.
  std::string checkpoint_root;
  int threads = 0;
  // "source" or "target", and the progress of that training.
  std::function<void(const std::string&, const v1::TrainingProgress&)> on_progress;
  std::function<bool()> stop = [] { return false; };
};

struct SelectedAttribute {
  // Accuracy of the network that learned from predictions on the target, on the source's photos.
  AttributeAccuracy back;
  // Share of the target's photos that it was predicted for.
  double predicted_share = 0;
  bool kept = false;
};

// Step 1 is trained on the source with all its attributes; they are predicted for the target's
// train photos, which it has not seen; encoder and attribute head are trained from the spec's first
// weights on those predictions alone; what they predict for the source is compared with the truth.
// An attribute that survives the way there and back means the same in both domains. In the order of
// the data set. InvalidArgument if the spec has no source or its attribute term is off;
// FailedPrecondition if the source has no attributes; else as IhdaTrainer.
absl::StatusOr<std::vector<SelectedAttribute>> SelectAttributes(
    const v1::TrainingSpec& resolved, const AttributeSelectionOptions& options);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_ATTRIBUTE_SELECTION_H_
