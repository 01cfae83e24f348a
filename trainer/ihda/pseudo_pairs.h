// The pseudo-sketches of a run (trainer/pseudo/pseudo_sketch.h).
#ifndef S2P_TRAINER_IHDA_PSEUDO_PAIRS_H_
#define S2P_TRAINER_IHDA_PSEUDO_PAIRS_H_

#include <vector>

#include "absl/status/status.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set.h"
#include "trainer/data/prepared_images.h"

namespace s2p {

// True if the spec asks for any.
bool HasPseudoSketches(const v1::TrainingSpec& spec);

// Those of each photo of `target` in turn: a function of the spec's seed, the photo's path in the
// data set and its pixels, so that a run that is resumed makes the same. Nothing if the spec asks
// for none. The data set and the photos are borrowed; `make` reads the photo, with
// DataSet::Read's errors.
MadeImages PseudoSketchesOf(const DataSet& target, const std::vector<DataSetImage>& photos,
                            const v1::TrainingSpec& spec);

// FailedPrecondition if the spec asks for pseudo-sketches of a packed data set, which keeps photos
// in the network's input size alone.
absl::Status CheckCanMakePseudoSketches(const DataSet& target, const v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_PSEUDO_PAIRS_H_
