#include "trainer/ihda/recipe.h"

#include "trainer/ihda/learning_rate.h"
#include "trainer/ihda/losses.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

Recipe Paper() {
  Recipe recipe;
  recipe.head_width = HeadWidth(v1::RECIPE_PAPER);
  recipe.identity_dropout = 0;
  recipe.adam_beta1 = 0.9;
  recipe.joins_modalities = false;
  recipe.triplet_at_stage3 = false;
  recipe.attribute_loss = paper::AttributeLoss;
  recipe.attribute_entropy_loss = paper::AttributeEntropyLoss;
  recipe.consistency_loss = paper::ConsistencyLoss;
  recipe.domain_loss = paper::DomainLoss;
  recipe.learning_rate = paper::LearningRate;
  return recipe;
}

Recipe Release() {
  Recipe recipe;
  recipe.head_width = HeadWidth(v1::RECIPE_RELEASE);
  recipe.identity_dropout = 0.7;
  recipe.adam_beta1 = 0.5;
  recipe.joins_modalities = true;
  recipe.triplet_at_stage3 = true;
  recipe.attribute_loss = release::AttributeLoss;
  recipe.attribute_entropy_loss = release::AttributeEntropyLoss;
  recipe.consistency_loss = release::ConsistencyLoss;
  recipe.domain_loss = release::DomainLoss;
  recipe.learning_rate = release::LearningRate;
  return recipe;
}

}  // namespace

const Recipe& RecipeOf(v1::Recipe name) {
  static const Recipe paper_recipe = Paper();
  static const Recipe release_recipe = Release();
  return name == v1::RECIPE_RELEASE ? release_recipe : paper_recipe;
}

}  // namespace s2p
