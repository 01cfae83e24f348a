// Which training run it is.
#ifndef S2P_TRAINER_IHDA_RUN_DIGEST_H_
#define S2P_TRAINER_IHDA_RUN_DIGEST_H_

#include <string>

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// SHA-256, lower-case hex, of what decides a run's weights: the resolved spec without its name,
// paths and publishing, and the lists of the data sets.
std::string RunDigest(const v1::TrainingSpec& resolved, const OpenDataSets& data_sets);

// Of the data sets that the spec names; reads their lists and no image. As OpenTrainingDataSets.
absl::StatusOr<std::string> RunDigest(const v1::TrainingSpec& resolved);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_RUN_DIGEST_H_
