// Where the paper (Yang et al., IEEE TMM 2020) and the authors' release differ, as one value.
#ifndef S2P_TRAINER_IHDA_RECIPE_H_
#define S2P_TRAINER_IHDA_RECIPE_H_

#include <torch/types.h>

#include "model/dual_encoder.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/augmentation.h"
#include "trainer/optimization/training_place.h"

namespace s2p {

// docs/training.md describes both. Immutable.
struct Recipe {
  // Hidden units of C_att and C_d, and what lies between their dense layers.
  int head_width;
  HeadForm head_form;
  // C_att and C_d begin as InitializeAsRelease (trainer/ihda/heads.h) makes them; else with
  // LibTorch's own weights.
  bool initializes_heads;
  // Images are augmented as the release's data loaders do (trainer/data/augmentation.h).
  AugmentationStyle augmentation_style;
  // Share of the identity classifier's input that is dropped in training.
  double identity_dropout;
  // The first moment's decay in Adam; the second's is 0.999.
  double adam_beta1;
  // L_id and L_tri of step 2 see photos and sketches as one batch; else L_id sees each modality
  // alone, and L_tri is from sketch to photo.
  bool joins_modalities;
  // L_tri sees the features of stage 3, too.
  bool triplet_at_stage3;
  // Forms of the terms: trainer/optimization/losses.h.
  torch::Tensor (*attribute_loss)(const torch::Tensor& logits, const torch::Tensor& targets);
  torch::Tensor (*attribute_entropy_loss)(const torch::Tensor& logits);
  torch::Tensor (*consistency_loss)(const torch::Tensor& photo, const torch::Tensor& sketch);
  torch::Tensor (*domain_loss)(const torch::Tensor& logits, const torch::Tensor& domains);
  // C_d sees source photos, target photos and sketches apart, so that its batch norm scales each by
  // statistics of its own; else in one pass.
  bool separates_domains;
  // trainer/optimization/learning_rate.h.
  double (*learning_rate)(const v1::TrainingSpec& spec, const TrainingPlace& place);
  double (*reversal_coefficient)(const TrainingPlace& place);
};

// The recipe of that name, which is never destroyed.
const Recipe& RecipeOf(v1::Recipe name);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_RECIPE_H_
