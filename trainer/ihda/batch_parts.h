// The images that batches are made of: what a run trains on, and what a spec is checked against.
#ifndef S2P_TRAINER_IHDA_BATCH_PARTS_H_
#define S2P_TRAINER_IHDA_BATCH_PARTS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// The target's images by what they are for: borrowed from the data set. A value.
struct TargetParts {
  std::vector<const DataSetImage*> photos, sketches, validation, test;
};

// FailedPrecondition if fewer than two identities can be trained on as pairs, for which a photo is
// enough where the spec has pseudo-sketches; if the target is packed, so that they cannot be made;
// or if a resolved spec keeps the best epoch and no sketch and photo are held back to choose it on.
absl::StatusOr<TargetParts> DivideTarget(const OpenDataSets& data_sets,
                                         const v1::TrainingSpec& spec);

// The photos that are trained on. FailedPrecondition if there is none, or if a batch of a resolved
// spec needs more identities than they show.
absl::StatusOr<std::vector<DataSetImage>> SourcePhotos(const DataSet& source,
                                                       const v1::TrainingSpec& spec);

// Whether batches of step 2 have source photos, which cost a third of its time: only where a loss
// looks at them.
bool Step2HasSource(const v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_BATCH_PARTS_H_
