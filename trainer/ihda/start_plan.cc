#include "trainer/ihda/start_plan.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "model/checkpoint_store.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// The length of the pooled features.
absl::StatusOr<uint32_t> PooledLength(v1::TrainingSpec spec) {
  spec.mutable_embedding()->set_dimension(0);
  S2P_ASSIGN_OR_RETURN(const auto manifest, ManifestOf(spec, /*attributes=*/{}));
  return manifest.embedding().dimension();
}

// The length for few pairs.
absl::StatusOr<uint32_t> LongDimension(const v1::TrainingSpec& spec) {
  S2P_ASSIGN_OR_RETURN(const uint32_t pooled, PooledLength(spec));
  return std::max(spec.embedding().dimension(),
                  std::min(spec.embedding().few_pairs_dimension(), pooled));
}

absl::StatusOr<uint32_t> DimensionOfVersion(const std::string& checkpoint_root,
                                            const v1::TrainingSpec& spec) {
  S2P_ASSIGN_OR_RETURN(const uint32_t longer, LongDimension(spec));
  const CheckpointStore store(checkpoint_root);
  const auto version = ReadManifest(store.DirectoryOf(spec.initial_version()));
  if (!version.ok()) {
    return absl::Status(version.status().code(),
                        absl::StrCat("initial_version: ", version.status().message(),
                                     "; to resume a run that began with it, set "
                                     "embedding.dimension to the length of its embeddings"));
  }
  return version->embedding().dimension() == longer ? longer : spec.embedding().dimension();
}

absl::StatusOr<uint32_t> DimensionForPairs(const OpenDataSets& data_sets,
                                           const v1::TrainingSpec& spec) {
  if (!FitsProjection(spec) || PlanStart(data_sets, spec).images.pairs >= kFewPairs) {
    return spec.embedding().dimension();
  }
  return LongDimension(spec);
}

bool HasTwoDimensions(const v1::TrainingSpec& spec) {
  return spec.embedding().few_pairs_dimension() > 0 && spec.embedding().dimension() > 0;
}

void SetOnlyDimension(uint32_t dimension, v1::TrainingSpec& spec) {
  spec.mutable_embedding()->set_dimension(dimension);
  spec.mutable_embedding()->clear_few_pairs_dimension();
}

}  // namespace

StartPlan PlanStart(const OpenDataSets& data_sets, const v1::TrainingSpec& spec) {
  std::map<std::string, int> numbers;
  std::vector<int> photos, sketches;
  for (const DataSetImage& image : data_sets.target.images()) {
    if (!data_sets.IsTrainedOn(image)) continue;
    const int number =
        numbers.emplace(image.identity, static_cast<int>(numbers.size())).first->second;
    (image.modality == v1::MODALITY_SKETCH ? sketches : photos).push_back(number);
  }
  StartPlan plan;
  plan.photos = photos.size();
  plan.drawn = sketches.size();
  for (const int photo : photos) {
    sketches.insert(sketches.end(), spec.pseudo().per_photo(), photo);
  }
  plan.made = sketches.size() - plan.drawn;
  plan.images = ChooseStartImages(photos, sketches, kMostStartImages, static_cast<int>(plan.made));
  return plan;
}

bool FitsProjection(const v1::TrainingSpec& spec) {
  return !spec.initial_weights().empty() && spec.embedding().dimension() > 0;
}

absl::Status SettleDimension(const OpenDataSets& data_sets, const std::string& checkpoint_root,
                             v1::TrainingSpec& spec) {
  if (!HasTwoDimensions(spec)) {
    if (spec.has_embedding()) spec.mutable_embedding()->clear_few_pairs_dimension();
    return absl::OkStatus();
  }
  if (spec.has_initial_version()) return KeepDimensionOfVersion(checkpoint_root, spec);
  S2P_ASSIGN_OR_RETURN(const uint32_t dimension, DimensionForPairs(data_sets, spec));
  SetOnlyDimension(dimension, spec);
  return absl::OkStatus();
}

absl::Status KeepDimensionOfVersion(const std::string& checkpoint_root, v1::TrainingSpec& spec) {
  if (!HasTwoDimensions(spec)) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const uint32_t dimension, DimensionOfVersion(checkpoint_root, spec));
  SetOnlyDimension(dimension, spec);
  return absl::OkStatus();
}

}  // namespace s2p
