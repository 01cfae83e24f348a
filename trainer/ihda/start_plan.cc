#include "trainer/ihda/start_plan.h"

#include <map>
#include <vector>

#include "model/checkpoint.h"
#include "model/checkpoint_store.h"

namespace s2p {
namespace {

uint32_t DimensionOf(const OpenDataSets& data_sets, const std::string& checkpoint_root,
                     const v1::TrainingSpec& spec) {
  const uint32_t usual = spec.embedding().dimension();
  const uint32_t few = spec.embedding().few_pairs_dimension();
  if (spec.has_initial_version()) {
    const CheckpointStore store(checkpoint_root);
    const auto version = ReadManifest(store.DirectoryOf(spec.initial_version()));
    return version.ok() && version->embedding().dimension() == few ? few : usual;
  }
  const bool is_start_of_few =
      FitsProjection(spec) && PlanStart(data_sets, spec).images.pairs < kFewPairs;
  return is_start_of_few ? few : usual;
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

void SettleDimension(const OpenDataSets& data_sets, const std::string& checkpoint_root,
                     v1::TrainingSpec& spec) {
  if (!spec.embedding().has_few_pairs_dimension()) return;
  if (spec.embedding().few_pairs_dimension() > 0 && spec.embedding().dimension() > 0) {
    const uint32_t dimension = DimensionOf(data_sets, checkpoint_root, spec);
    spec.mutable_embedding()->set_dimension(dimension);
  }
  spec.mutable_embedding()->clear_few_pairs_dimension();
}

}  // namespace s2p
