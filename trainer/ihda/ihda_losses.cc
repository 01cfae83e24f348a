#include "trainer/ihda/ihda_losses.h"

#include <algorithm>
#include <vector>

#include "trainer/ihda/recipe.h"
#include "trainer/optimization/losses.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

bool TripletCounts(const v1::TrainingSpec& spec, const v1::TrainingSpec::StepSpec& step,
                   int epoch) {
  return spec.loss().triplet() > 0 && epoch >= static_cast<int>(step.triplet_from_epoch());
}

void AddIdentity(const v1::TrainingSpec& spec, const Recipe& recipe, const Step2Batch& batch,
                 const LossHeads& heads, LossSum& sum) {
  const auto& weights = spec.loss();
  if (weights.identity() == 0) return;
  // In one pass, so that the neck trains on the statistics that it is used with: both modalities'.
  const torch::Tensor logits =
      heads.identities(torch::cat({batch.photo.embedding, batch.sketch.embedding}));
  if (recipe.joins_modalities) {
    sum.Add(
        "identity", weights.identity(),
        IdentityLoss(logits, torch::cat({batch.labels, batch.labels}), weights.label_smoothing()));
    return;
  }
  for (const torch::Tensor& of_modality : logits.chunk(2)) {
    sum.Add("identity", weights.identity(),
            IdentityLoss(of_modality, batch.labels, weights.label_smoothing()));
  }
}

void AddTriplet(const v1::TrainingSpec& spec, const Recipe& recipe, const Step2Batch& batch,
                LossSum& sum) {
  const auto& weights = spec.loss();
  if (!recipe.joins_modalities) {
    sum.Add("triplet", weights.triplet(),
            CrossModalTripletLoss(batch.sketch.embedding, batch.labels, batch.photo.embedding,
                                  batch.labels, weights.margin()));
    return;
  }
  const torch::Tensor labels = torch::cat({batch.labels, batch.labels});
  if (recipe.triplet_at_stage3) {
    sum.Add("triplet", weights.triplet(),
            TripletLoss(torch::cat({batch.photo.stage3, batch.sketch.stage3}), labels,
                        weights.margin()));
  }
  sum.Add("triplet", weights.triplet(),
          TripletLoss(torch::cat({batch.photo.embedding, batch.sketch.embedding}), labels,
                      weights.margin()));
}

void AddAttributes(const v1::TrainingSpec& spec, const Recipe& recipe, const Step2Batch& batch,
                   const LossHeads& heads, LossSum& sum) {
  const auto& weights = spec.loss();
  const double of_source = weights.attribute() * spec.step2().attribute_factor();
  if (of_source > 0 && batch.source.embedding.defined()) {
    sum.Add(
        "attribute", of_source,
        recipe.attribute_loss(heads.attributes(batch.source.embedding), batch.source_attributes));
  }
  if (weights.attribute_entropy() == 0 && weights.consistency() == 0) return;
  const torch::Tensor photo = heads.attributes(batch.photo.embedding);
  const torch::Tensor sketch = heads.attributes(batch.sketch.embedding);
  for (const torch::Tensor& logits : {photo, sketch}) {
    sum.Add("attribute_entropy", weights.attribute_entropy(),
            recipe.attribute_entropy_loss(logits));
  }
  sum.Add("consistency", weights.consistency(), recipe.consistency_loss(photo, sketch));
}

void AddDomain(const v1::TrainingSpec& spec, const Recipe& recipe, const Step2Batch& batch,
               const TrainingPlace& place, const LossHeads& heads, LossSum& sum) {
  if (spec.loss().domain() == 0 || !batch.source.embedding.defined()) return;
  const double coefficient = recipe.reversal_coefficient(place);
  std::vector<torch::Tensor> features, logits;
  std::vector<int64_t> domains;
  for (const DualEncoderOutput* out : {&batch.source, &batch.photo, &batch.sketch}) {
    domains.insert(domains.end(), out->embedding.size(0), static_cast<int64_t>(features.size()));
    features.push_back(out->embedding);
    if (recipe.separates_domains) logits.push_back(heads.domains(out->embedding, coefficient));
  }
  if (!recipe.separates_domains) logits = {heads.domains(torch::cat(features), coefficient)};
  sum.Add("domain", spec.loss().domain(),
          recipe.domain_loss(torch::cat(logits),
                             torch::tensor(domains, torch::kLong).to(features[0].device())));
}

// The features that retrieval compares, of sketches and photos, in one pass as for the neck above.
std::vector<torch::Tensor> RetrievalFeatures(const Step2Batch& batch, const LossHeads& heads) {
  return heads.retrieval_feature(torch::cat({batch.sketch.embedding, batch.photo.embedding}))
      .chunk(2);
}

void AddPhotoNeighbours(const v1::TrainingSpec& spec, const Step2Batch& batch,
                        const std::vector<torch::Tensor>& features, LossSum& sum) {
  const auto neighbours = PhotoNeighboursOf(spec);
  sum.Add("photo_neighbours", neighbours.weight(),
          PhotoNeighbourLoss(features[0], features[1], batch.photo_triplets, neighbours.margin()));
}

}  // namespace

int Step1ImagesPerIdentity(const v1::TrainingSpec& spec, int epoch) {
  const bool single = spec.recipe() == v1::RECIPE_RELEASE &&
                      epoch < static_cast<int>(spec.release().step1_single_image_epochs());
  return single ? 1 : std::max(1, static_cast<int>(spec.step1().images_per_identity()));
}

LossSum Step1Losses(const v1::TrainingSpec& spec, const Step1Batch& batch,
                    const TrainingPlace& place, const LossHeads& heads) {
  const Recipe& recipe = RecipeOf(spec.recipe());
  const auto& weights = spec.loss();
  const DualEncoderOutput& out = batch.source;
  LossSum sum;
  if (weights.identity() > 0) {
    sum.Add("identity", weights.identity(),
            IdentityLoss(heads.identities(out.embedding), batch.labels, weights.label_smoothing()));
  }
  if (TripletCounts(spec, spec.step1(), place.epoch)) {
    sum.Add("triplet", weights.triplet(),
            TripletLoss(out.embedding, batch.labels, weights.margin()));
    if (recipe.triplet_at_stage3) {
      sum.Add("triplet", weights.triplet(),
              TripletLoss(out.stage3, batch.labels, weights.margin()));
    }
  }
  const double attribute = weights.attribute() * spec.step1().attribute_factor();
  if (attribute > 0 && heads.attributes) {
    sum.Add("attribute", attribute,
            recipe.attribute_loss(heads.attributes(out.embedding), batch.attributes));
  }
  const int64_t stride = Step1ImagesPerIdentity(spec, place.epoch);
  if (weights.contrastive() > 0 && stride >= 2) {
    const torch::Tensor features = heads.retrieval_feature(out.embedding);
    sum.Add("contrastive", weights.contrastive(),
            ContrastiveLoss(features.slice(0, 0, features.size(0), stride),
                            features.slice(0, 1, features.size(0), stride), weights.temperature()));
  }
  return sum;
}

LossSum Step2Losses(const v1::TrainingSpec& spec, const Step2Batch& batch,
                    const TrainingPlace& place, const LossHeads& heads) {
  const Recipe& recipe = RecipeOf(spec.recipe());
  LossSum sum;
  AddIdentity(spec, recipe, batch, heads, sum);
  if (TripletCounts(spec, spec.step2(), place.epoch)) AddTriplet(spec, recipe, batch, sum);
  if (heads.attributes) AddAttributes(spec, recipe, batch, heads, sum);
  AddDomain(spec, recipe, batch, place, heads, sum);
  const bool ranks_photos =
      batch.photo_triplets.defined() && !spec.loss().photo_neighbours().meta_step();
  if (spec.loss().contrastive() == 0 && !ranks_photos) return sum;
  const std::vector<torch::Tensor> features = RetrievalFeatures(batch, heads);
  if (spec.loss().contrastive() > 0) {
    sum.Add("contrastive", spec.loss().contrastive(),
            ContrastiveLoss(features[0], features[1], spec.loss().temperature()));
  }
  if (ranks_photos) AddPhotoNeighbours(spec, batch, features, sum);
  return sum;
}

LossSum Step2MetaLosses(const v1::TrainingSpec& spec, const Step2Batch& batch,
                        const LossHeads& heads) {
  LossSum sum;
  if (!batch.photo_triplets.defined() || !spec.loss().photo_neighbours().meta_step()) return sum;
  AddPhotoNeighbours(spec, batch, RetrievalFeatures(batch, heads), sum);
  return sum;
}

}  // namespace s2p
