#include "trainer/ihda/trained_model.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <vector>

#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/torch_version.h"
#include "trainer/ihda/build_text.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// Whether a sketch of a person is trained on together with its photo.
bool HasPeoplesPairs(const OpenDataSets& data_sets) {
  std::vector<DataSetImage> images;
  std::copy_if(data_sets.target.images().begin(), data_sets.target.images().end(),
               std::back_inserter(images),
               [&](const DataSetImage& image) { return data_sets.IsTrainedOn(image); });
  return HasPair(images);
}

}  // namespace

absl::StatusOr<TrainedModel> MakeTrainedModel(const v1::TrainingSpec& spec,
                                              const OpenDataSets& data_sets,
                                              const RunContents& contents,
                                              const v1::CheckpointManifest& manifest,
                                              const std::vector<v1::Evaluation>& evaluations,
                                              const std::string& job_id, DualEncoder& encoder) {
  TrainedModel model;
  model.manifest = manifest;
  model.has_seen_pairs = HasPeoplesPairs(data_sets);
  for (const v1::Evaluation& evaluation : evaluations) {
    *model.manifest.add_evaluations() = evaluation;
  }
  v1::Provenance& provenance = *model.manifest.mutable_provenance();
  provenance.set_job_id(job_id);
  provenance.set_spec_sha256(SpecDigest(spec));
  if (data_sets.source) provenance.set_source_dataset_sha256(data_sets.source->sha256());
  provenance.set_target_dataset_sha256(data_sets.target.sha256());
  provenance.set_source_images_sha256(contents.source_images_sha256);
  provenance.set_target_images_sha256(contents.target_images_sha256);
  provenance.set_initial_weights_sha256(contents.initial_weights_sha256);
  provenance.set_parent_version(spec.initial_version());
  provenance.set_seed(spec.seed());
  provenance.set_build(BuildText());
  // A copy on the CPU, so that the probe is computed there and what trains on stays where it is.
  S2P_ASSIGN_OR_RETURN(auto copy, DualEncoder::Create(manifest));
  try {
    model.weights = encoder.Weights();
  } catch (const std::exception& error) {
    return TorchError(error, "weights");
  }
  absl::Status status = CheckFinite(model.weights);
  if (status.ok()) status = copy->SetWeights(model.weights);
  if (status.ok()) status = FillGoldenProbe(*copy, model.manifest);
  if (!status.ok()) return status;
  return model;
}

}  // namespace s2p
