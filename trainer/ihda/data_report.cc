#include "trainer/ihda/data_report.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "trainer/ihda/pseudo_pairs.h"
#include "trainer/ihda/start_plan.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// An attribute with a smaller share of positives (or negatives) than this teaches little.
constexpr double kRare = 0.01;
// An identity with this many times the median photo count dominates the batches.
constexpr int64_t kLoud = 20;
// At most this many names in one sentence.
constexpr size_t kShown = 5;

std::string Some(const std::vector<std::string>& names) {
  std::vector<std::string> shown(names.begin(), names.begin() + std::min(kShown, names.size()));
  std::string text = absl::StrJoin(shown, ", ");
  if (names.size() > kShown) absl::StrAppend(&text, " and ", names.size() - kShown, " more");
  return text;
}

struct AttributeCount {
  int64_t known = 0;
  double positive = 0;
};

void ReportAttributes(const OpenDataSets& data_sets, const std::vector<const DataSetImage*>& photos,
                      std::vector<std::string>& report) {
  const std::vector<std::string> names = data_sets.attributes();
  std::vector<AttributeCount> counts(names.size());
  for (const DataSetImage* photo : photos) {
    for (size_t i = 0; i < counts.size() && !photo->attributes.empty(); ++i) {
      const float value = photo->attributes[data_sets.attribute_columns[i]];
      if (std::isnan(value)) continue;
      ++counts[i].known;
      counts[i].positive += value;
    }
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    const std::string attribute = absl::StrCat("source attribute \"", names[i], "\"");
    const auto known = static_cast<double>(counts[i].known);
    const double share = counts[i].known == 0 ? 0 : counts[i].positive / known;
    if (counts[i].known == 0) {
      report.push_back(absl::StrCat(attribute, " is known for no photo: nothing is learned of it"));
    } else if (counts[i].positive == 0) {
      report.push_back(absl::StrCat(attribute, " is never positive: its head learns a constant"));
    } else if (counts[i].positive == known) {
      report.push_back(absl::StrCat(attribute, " is always positive: its head learns a constant"));
    } else if (share < kRare || share > 1 - kRare) {
      report.push_back(absl::StrFormat("%s is unbalanced: positive for %.2f %% of %d photos",
                                       attribute, 100 * share, counts[i].known));
    }
  }
}

void ReportSourceIdentities(const std::vector<const DataSetImage*>& photos,
                            const v1::TrainingSpec& spec, std::vector<std::string>& report) {
  std::map<std::string, int64_t> photos_of;
  for (const DataSetImage* photo : photos) ++photos_of[photo->identity];
  std::vector<int64_t> counts;
  std::vector<std::string> loud;
  int64_t alone = 0;
  for (const auto& item : photos_of) {
    counts.push_back(item.second);
    alone += item.second == 1 ? 1 : 0;
  }
  if (counts.empty()) return;
  std::nth_element(counts.begin(), counts.begin() + static_cast<int64_t>(counts.size()) / 2,
                   counts.end());
  const int64_t median = counts[counts.size() / 2];
  for (const auto& [identity, count] : photos_of) {
    if (count > kLoud * median) loud.push_back(absl::StrCat(identity, " (", count, ")"));
  }
  if (!loud.empty()) {
    report.push_back(absl::StrCat("the source is unbalanced: the median identity has ", median,
                                  " photos, but ", Some(loud)));
  }
  if (RunsStep1(spec) && spec.step1().images_per_identity() > 1 && alone > 0) {
    report.push_back(absl::StrCat(alone, " of ", photos_of.size(), " source identities have one ",
                                  "photo only: in step 1 it is its own positive"));
  }
}

void ReportPairs(const OpenDataSets& data_sets, const v1::TrainingSpec& spec,
                 std::vector<std::string>& report) {
  struct Has {
    bool photo = false, sketch = false;
  };
  std::map<std::string, Has> has;
  for (const DataSetImage& image : data_sets.target.images()) {
    if (!data_sets.IsTrainedOn(image)) continue;
    (image.modality == v1::MODALITY_SKETCH ? has[image.identity].sketch
                                           : has[image.identity].photo) = true;
  }
  std::vector<std::string> photo_only, sketch_only;
  for (const auto& [identity, of] : has) {
    if (!of.sketch && !HasPseudoSketches(spec)) photo_only.push_back(identity);
    if (!of.photo) sketch_only.push_back(identity);
  }
  for (const auto& [names, other] :
       {std::pair(&sketch_only, "photo"), std::pair(&photo_only, "sketch")}) {
    if (names->empty()) continue;
    report.push_back(absl::StrCat(names->size(), " identities of the target have no ", other,
                                  " to train with and are left out of step 2: ", Some(*names)));
  }
}

// Shows whether the photos of pairs_dataset were recognised.
void ReportJoined(const OpenDataSets& data_sets, std::vector<std::string>& report) {
  int64_t photos = 0, sketches = 0;
  for (const DataSetImage& image : data_sets.target.images()) {
    if (image.folder.empty()) continue;
    ++(image.modality == v1::MODALITY_SKETCH ? sketches : photos);
  }
  if (photos + sketches == 0) return;
  report.push_back(absl::StrCat("pairs_dataset adds ", sketches, " sketches, and ", photos,
                                " photos that the target does not have"));
}

// Frozen stages make sense only with weights to start from.
void ReportRandomStart(const v1::TrainingSpec& spec, std::vector<std::string>& report) {
  if (spec.has_initial_version() || !spec.initial_weights().empty()) return;
  if (spec.backbone().frozen_stages() == 0) return;
  report.push_back(absl::StrCat("there are no initial_weights: the first ",
                                spec.backbone().frozen_stages(),
                                " stages stay random, because of backbone.frozen_stages"));
}

// Presets have weights for terms that a run may have no data for.
void ReportMissingTerms(const OpenDataSets& data_sets, const v1::TrainingSpec& spec,
                        std::vector<std::string>& report) {
  if (!data_sets.attributes().empty()) return;
  const auto& loss = spec.loss();
  std::vector<std::string> off;
  if (loss.attribute() > 0) off.push_back("loss.attribute");
  if (loss.attribute_entropy() > 0) off.push_back("loss.attribute_entropy");
  if (loss.consistency() > 0) off.push_back("loss.consistency");
  if (loss.domain() > 0 && !data_sets.source) off.push_back("loss.domain");
  if (off.empty()) return;
  report.push_back(
      absl::StrCat(data_sets.source ? "the source has no attributes" : "there is no source_dataset",
                   ", so these terms are off: ", absl::StrJoin(off, ", ")));
}

// Presets have epochs of step 1 that a run may have no use for.
void ReportStep1(const v1::TrainingSpec& spec, std::vector<std::string>& report) {
  if (RunsStep1(spec)) {
    if (spec.loss().contrastive() > 0 && spec.step1().images_per_identity() < 2) {
      report.push_back(
          "loss.contrastive is off in step 1, because step1.images_per_identity is below 2: it "
          "compares two images of an identity");
    }
    return;
  }
  if (spec.step1().epochs() == 0) return;
  report.push_back(spec.source_dataset().empty()
                       ? "step 1 is not trained, because there is no source_dataset"
                       : absl::StrCat("step 1 is not trained, because the run starts from version ",
                                      spec.initial_version(),
                                      ", whether that was trained with a source or not; "
                                      "repeat_step1=true trains it"));
}

// A neck that nothing passes through in training, and that retrieval does not read.
void ReportNeck(const v1::TrainingSpec& spec, std::vector<std::string>& report) {
  if (spec.embedding().neck() != v1::NECK_BATCH_NORM || spec.loss().identity() > 0 ||
      spec.embedding().retrieval_feature() == v1::RETRIEVAL_FEATURE_NECK) {
    return;
  }
  report.push_back(
      "embedding.neck is not used: neither loss.identity nor embedding.retrieval_feature NECK "
      "reads it");
}

// Fewer pairs than this leave most of the start to what the network distinguishes by itself
// (docs/lab/few_pairs.md).
constexpr int kTooFewPairs = 50;

void ReportStart(const OpenDataSets& data_sets, const v1::TrainingSpec& spec,
                 std::vector<std::string>& report) {
  if (!FitsProjection(spec)) return;
  const StartPlan start = PlanStart(data_sets, spec);
  std::string text = absl::StrCat(
      "the projection to ", spec.embedding().dimension(), " values starts from ",
      start.images.pairs, " pairs: ", start.images.photos.size(), " of ", start.photos,
      " photos and ", start.images.sketches.size(), " of ", start.drawn + start.made, " sketches");
  if (start.made > 0) absl::StrAppend(&text, ", of which ", start.drawn, " are people's");
  if (start.images.pairs < kTooFewPairs) {
    absl::StrAppend(&text, "; below ", kTooFewPairs, " pairs every further one helps much");
  }
  report.push_back(std::move(text));
}

}  // namespace

std::vector<std::string> ReportData(const OpenDataSets& data_sets, const v1::TrainingSpec& spec) {
  std::vector<std::string> report;
  ReportJoined(data_sets, report);
  ReportStart(data_sets, spec, report);
  ReportRandomStart(spec, report);
  ReportStep1(spec, report);
  ReportNeck(spec, report);
  ReportMissingTerms(data_sets, spec, report);
  ReportPairs(data_sets, spec, report);
  if (!data_sets.source) return report;
  std::vector<const DataSetImage*> photos;
  for (const DataSetImage& image : data_sets.source->images()) {
    if (image.split == "train" && image.modality == v1::MODALITY_PHOTO) photos.push_back(&image);
  }
  ReportAttributes(data_sets, photos, report);
  ReportSourceIdentities(photos, spec, report);
  return report;
}

}  // namespace s2p
