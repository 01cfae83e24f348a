// The images, labels and attributes of a training run.
#ifndef S2P_TRAINER_IHDA_TRAINING_DATA_H_
#define S2P_TRAINER_IHDA_TRAINING_DATA_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/data_set.h"
#include "trainer/data/labelled_images.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/spec/training_observer.h"

namespace s2p {

// The data sets that a spec names, opened, no image read.
struct OpenDataSets {
  // Unset where the spec has no source.
  std::optional<DataSet> source;
  DataSet target;
  // The identities that are measured on instead of trained on.
  HeldBack held_back;
  // Share of the other identities that is trained on (IsInPairFraction).
  double pair_fraction = 1;
  // The places, ascending, that the attributes to train on have in source->attributes().
  std::vector<size_t> attribute_columns;
  // Photos of held-back identities are trained on, too: with their pseudo-sketches.
  bool sketches_only = false;
  // Identities of the target that pair_fraction never leaves out: those with images of another
  // folder (DataSet::With) and, next to pseudo-sketches, those that somebody has drawn.
  std::set<std::string> always{};

  // Names of the attributes to train on; none without a source.
  std::vector<std::string> attributes() const;
  // True for an image of the target that is trained on.
  bool IsTrainedOn(const DataSetImage& image) const;
};

// The data sets, and what a resolved spec makes of them; the attribute columns are left empty.
OpenDataSets DataSetsOf(const v1::TrainingSpec& spec, std::optional<DataSet> source,
                        DataSet target);

// The part of the target that a resolved spec holds back, and the share of the rest that it trains
// on.
HeldBack HeldBackOf(const v1::TrainingSpec& spec);
double PairFractionOf(const v1::TrainingSpec& spec);

// The places in source.attributes() of those that the spec chooses, which are all where it names
// none. InvalidArgument, listing the known ones, for a name that is not among them.
absl::StatusOr<std::vector<size_t>> ChooseAttributes(const DataSet& source,
                                                     const v1::TrainingSpec& spec);

// InvalidArgument if pairs_dataset or publish.reference_dataset is a folder that the spec also
// names as another data set, however it is spelled.
absl::Status CheckDistinct(const v1::TrainingSpec& spec);

// As CheckDistinct, OpenWithPairs, DataSet::Open and ChooseAttributes; images may be missing where
// the spec allows that some are unreadable.
absl::StatusOr<OpenDataSets> OpenTrainingDataSets(const v1::TrainingSpec& spec);

// The images to measure with on the sketches of `held_back`, images of the target. Where photos of
// held-back identities are trained on (validation.sketches_only with pseudo-sketches), the gallery
// is all photos of the split "train", as that of a server: a model pulls new sketches to the photos
// whose sketches it has seen, and held-back photos alone do not show it. A photo that shows what a
// held-back sketch was also drawn of is left out, since finding it is no mistake. At most 5,000 are
// added, chosen by a hash of their paths. Otherwise, and if it has no sketch, `held_back` alone.
std::vector<DataSetImage> WithGallery(const v1::TrainingSpec& resolved, const DataSet& target,
                                      std::vector<DataSetImage> held_back);

// Immutable.
struct TrainingData {
  // Photos of the source, and [photo][attribute] in {0, 1} or NaN; nothing without a source.
  LabelledImages source;
  int source_identities = 0;
  std::vector<float> source_attributes;
  // Train images of the target; labels of both modalities are of one numbering. Identities with
  // both a photo and a sketch, which alone are trained on, are numbers below `target_identities`.
  LabelledImages photos;
  LabelledImages sketches;
  int target_identities = 0;
  // Probability of flipping photo and sketch of a pair: the spec's, or 0 where it asks for photos
  // that face both ways and these do not.
  double pair_flip = 0;
  // Identities of the target's train split that are held back, and what WithGallery adds to them;
  // unset if there are none.
  std::optional<EvaluationSet> validation;
  // The target's test split; unset if it has none.
  std::optional<EvaluationSet> test;
};

// Decodes and prepares everything, and makes the spec's pseudo-sketches, on `threads` threads.
// FailedPrecondition as DivideTarget; else as PreparedImages::Load, where max_unreadable of the
// spec may be left out; Cancelled within a few images once the observer's `stop` is true. Reports
// to the observer what is being read, what was left out, and which way the photos face.
absl::StatusOr<TrainingData> LoadTrainingData(const OpenDataSets& data_sets,
                                              const v1::TrainingSpec& spec,
                                              const v1::CheckpointManifest& manifest, int threads,
                                              const TrainingObserver& observer = {});

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_TRAINING_DATA_H_
