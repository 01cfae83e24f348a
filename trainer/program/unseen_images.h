// The images on which two models can be compared fairly.
#ifndef S2P_TRAINER_PROGRAM_UNSEEN_IMAGES_H_
#define S2P_TRAINER_PROGRAM_UNSEEN_IMAGES_H_

#include <string>
#include <vector>

#include "model/checkpoint_store.h"
#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Evaluation.split of the identities that training has held back.
inline constexpr char kHeldBackSplit[] = "train-validation";

// Share of the target's training identities whose pairs a model of this spec has not seen: the
// spec's validation.fraction, or 1 for a model without pairs of people
// (TrainedModel::has_seen_pairs); or that of the version that it starts from (CheckpointStore
// `store`), if that one has seen more. A version that does not say it (IsUnknown) counts as having
// held back as much as the spec.
double UnseenFraction(const v1::TrainingSpec& resolved, bool has_seen_pairs,
                      const CheckpointStore& store);

// True if the manifest does not say which identities its training held back, although it held some
// back: it was measured on them. Older programs wrote such manifests.
bool IsUnknown(const v1::CheckpointManifest& manifest);

// A value.
struct UnseenImages {
  // Images that neither model was trained on, with a sketch and a photo of one identity at least;
  // empty if there are none.
  std::vector<DataSetImage> images;
  // Both have held identities back, so that there may be some when the data grow.
  bool may_come = false;
  // A sentence: why there are none, or what was assumed of the published version. Empty if nothing
  // was.
  std::string note;
};

// The images of `target` that are new to both a candidate, a model of `resolved` whose provenance
// has its UnseenFraction, and a published version of `store`. The hash that holds identities back
// makes the smaller fraction a part of the larger one, so the smaller of both is new to both,
// however the data set has changed. The split "val" is a matter of the list: it is new to a model
// that was trained with the same list, as were those that it starts from. Where the list was
// another one, as when it grows, "val" is left out if there are other images; if not, it is taken
// to be new to models that held a split of their own back, and the note says that this is not
// certain. An unknown version is taken to have held back what `resolved` does.
UnseenImages UnseenByBoth(const v1::TrainingSpec& resolved, const v1::CheckpointManifest& candidate,
                          const v1::CheckpointManifest& published, const DataSet& target,
                          const CheckpointStore& store);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_UNSEEN_IMAGES_H_
