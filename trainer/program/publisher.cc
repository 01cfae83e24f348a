#include "trainer/program/publisher.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/checkpoint_evaluation.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/ihda/training_data.h"

namespace s2p {
namespace {

double Metric(const v1::Evaluation& evaluation, const std::string& name) {
  if (name == "rank5") return evaluation.rank5();
  if (name == "rank10") return evaluation.rank10();
  if (name == "mAP") return evaluation.mean_average_precision();
  return evaluation.rank1();
}

absl::StatusOr<double> ValidationMetric(const TrainedModel& model, const std::string& name) {
  for (const v1::Evaluation& evaluation : model.manifest.evaluations()) {
    if (evaluation.split() == "train-validation" && evaluation.direction() == kSketchToPhoto) {
      return Metric(evaluation, name);
    }
  }
  return absl::FailedPreconditionError(
      "publish.policy IF_BETTER has nothing to compare on: set validation.fraction above 0");
}

// The newest version and its metric on the same identities; NotFound if there is none.
absl::StatusOr<v1::Comparison> NewestVersion(const v1::TrainingSpec& resolved,
                                             const CheckpointStore& store) {
  S2P_ASSIGN_OR_RETURN(const auto newest, store.NewestVersion());
  S2P_ASSIGN_OR_RETURN(const auto checkpoint, store.Read(newest));
  S2P_ASSIGN_OR_RETURN(const auto target,
                       DataSet::Open(resolved.target_dataset(), ImageFiles::kMayBeMissing));
  const HeldBack held_back = HeldBackOf(resolved);
  std::vector<DataSetImage> images;
  for (const DataSetImage& image : target.images()) {
    if (IsHeldBack(image, held_back)) images.push_back(image);
  }
  S2P_ASSIGN_OR_RETURN(const auto result,
                       EvaluateCheckpoint(checkpoint, target, images, kSketchToPhoto,
                                          {resolved.device(), 0, resolved.max_unreadable()}));
  v1::Comparison comparison;
  comparison.set_metric(resolved.publish().metric());
  comparison.set_published_version(newest);
  comparison.set_published(Metric(result.evaluation, resolved.publish().metric()));
  return comparison;
}

absl::StatusOr<PublishOutcome> Publish(const v1::CheckpointManifest& manifest,
                                       const TensorMap& weights, const CheckpointStore& store,
                                       const std::string& why) {
  S2P_ASSIGN_OR_RETURN(const auto version, store.Publish(manifest, weights));
  return PublishOutcome{version, absl::StrCat("published as version ", version, why)};
}

}  // namespace

absl::StatusOr<PublishOutcome> PublishModel(const v1::TrainingSpec& resolved,
                                            const TrainedModel& model,
                                            const CheckpointStore& store) {
  using PublishSpec = v1::TrainingSpec::PublishSpec;
  const PublishSpec& publish = resolved.publish();
  if (publish.policy() == PublishSpec::POLICY_NEVER) {
    return PublishOutcome{0, "not published: publish.policy is NEVER"};
  }
  if (publish.policy() != PublishSpec::POLICY_IF_BETTER) {
    return Publish(model.manifest, model.weights, store, "");
  }
  S2P_ASSIGN_OR_RETURN(const auto candidate, ValidationMetric(model, publish.metric()));
  auto comparison = NewestVersion(resolved, store);
  if (absl::IsNotFound(comparison.status())) {
    return Publish(model.manifest, model.weights, store, ": the first one");
  }
  if (!comparison.ok()) return comparison.status();
  comparison->set_candidate(candidate);
  const double published = comparison->published();
  const std::string numbers =
      absl::StrFormat("%s %.4f against %.4f of version %d", publish.metric(), candidate, published,
                      comparison->published_version());
  if (candidate <= published || candidate < published + publish.min_improvement()) {
    return PublishOutcome{0, absl::StrCat("not published: ", numbers)};
  }
  v1::CheckpointManifest manifest = model.manifest;
  *manifest.mutable_provenance()->mutable_comparison() = *std::move(comparison);
  return Publish(manifest, model.weights, store, absl::StrCat(": ", numbers));
}

}  // namespace s2p
