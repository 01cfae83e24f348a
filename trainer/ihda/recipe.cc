#include "trainer/ihda/recipe.h"

#include "trainer/optimization/learning_rate.h"
#include "trainer/optimization/losses.h"
#include "trainer/spec/training_spec.h"

namespace s2p {

const Recipe& RecipeOf(v1::Recipe name) {
  static const Recipe of_paper = {HeadWidth(v1::RECIPE_PAPER), HeadForm::kDense,
                                  /*initializes_heads=*/false, AugmentationStyle::kOwn,
                                  /*identity_dropout=*/0,      /*adam_beta1=*/0.9,
                                  /*joins_modalities=*/false,  /*triplet_at_stage3=*/false,
                                  paper::AttributeLoss,        paper::AttributeEntropyLoss,
                                  paper::ConsistencyLoss,      paper::DomainLoss,
                                  /*separates_domains=*/false, paper::LearningRate,
                                  paper::ReversalCoefficient};
  static const Recipe of_release = {
      HeadWidth(v1::RECIPE_RELEASE), HeadForm::kBatchNorm,       /*initializes_heads=*/true,
      AugmentationStyle::kRelease,   /*identity_dropout=*/0.7,   /*adam_beta1=*/0.5,
      /*joins_modalities=*/true,     /*triplet_at_stage3=*/true, release::AttributeLoss,
      release::AttributeEntropyLoss, release::ConsistencyLoss,   release::DomainLoss,
      /*separates_domains=*/true,    release::LearningRate,      release::ReversalCoefficient};
  return name == v1::RECIPE_RELEASE ? of_release : of_paper;
}

}  // namespace s2p
