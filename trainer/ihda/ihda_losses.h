// The sums of IHDA's loss terms in each of its two steps (Yang et al., IEEE TMM 2020, eq. 9): which
// features each term sees, and with which weight.
#ifndef S2P_TRAINER_IHDA_IHDA_LOSSES_H_
#define S2P_TRAINER_IHDA_IHDA_LOSSES_H_

#include <torch/types.h>

#include <functional>

#include "model/dual_encoder.h"
#include "s2p/v1/training.pb.h"
#include "trainer/optimization/loss_sum.h"
#include "trainer/optimization/training_place.h"

namespace s2p {

// The networks as the terms use them, each a function of embeddings [n, d]. Functions, so that the
// sums can be compared with the reference program's on heads of a few numbers.
struct LossHeads {
  // -> [n, identities] logits.
  std::function<torch::Tensor(const torch::Tensor&)> identities;
  // -> [n, a] logits; empty: there are no attributes, and no term that needs them.
  std::function<torch::Tensor(const torch::Tensor&)> attributes;
  // -> [n, 3] logits of source, photo, sketch; the gradient comes back reversed and times the
  // coefficient.
  std::function<torch::Tensor(const torch::Tensor&, double coefficient)> domains;
  // -> [n, d], each row of L2 norm 1.
  std::function<torch::Tensor(const torch::Tensor&)> retrieval_feature;
};

// Number of images of one identity in a batch of this epoch of step 1: step1.images_per_identity,
// but one in the first release.step1_single_image_epochs of the recipe RELEASE.
int Step1ImagesPerIdentity(const v1::TrainingSpec& spec, int epoch);

// n source photos, Step1ImagesPerIdentity of one identity one after the other.
struct Step1Batch {
  DualEncoderOutput source;
  // [n] int64.
  torch::Tensor labels;
  // [n, a] in [0, 1] or NaN; undefined without attributes.
  torch::Tensor attributes;
};

// Row i of photo, of sketch and of labels belong together.
struct Step2Batch {
  DualEncoderOutput photo, sketch;
  torch::Tensor labels;
  // Source photos and their attributes; undefined tensors without a source.
  DualEncoderOutput source;
  torch::Tensor source_attributes;
  // Rows of photo and sketch (PhotoNeighbourLoss); undefined where the term is off or there are
  // fewer than three photos.
  torch::Tensor photo_triplets{};
};

// Step 1: L_id + l1 L_tri + l2 L_att, and where contrastive is on and there are two photos of each
// identity, InfoNCE of the first two.
LossSum Step1Losses(const v1::TrainingSpec& spec, const Step1Batch& batch,
                    const TrainingPlace& place, const LossHeads& heads);

// Step 2: L_id(t1, t2) + l1 L_tri(t1, t2) + l2 (L_att(s) + L_att(t1, t2) + L_con) + l3 L_d, and
// where they are on InfoNCE of the pairs, and L_NT unless Step2MetaLosses has it. The coefficient
// of the reversal follows from the place, as the recipe has it.
LossSum Step2Losses(const v1::TrainingSpec& spec, const Step2Batch& batch,
                    const TrainingPlace& place, const LossHeads& heads);

// The meta objective of step 2 (AddMetaGradient): L_NT with loss.photo_neighbours.meta_step, else
// nothing. Looks at the pairs of the batch alone.
LossSum Step2MetaLosses(const v1::TrainingSpec& spec, const Step2Batch& batch,
                        const LossHeads& heads);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_IHDA_LOSSES_H_
