// Whether a spec can be run here: its paths, its data, its device.
#ifndef S2P_TRAINER_PROGRAM_SPEC_CHECK_H_
#define S2P_TRAINER_PROGRAM_SPEC_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "model/checkpoint_store.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// Makes the paths of a resolved spec absolute, relative ones below `data_root`, and adds to
// `errors` "field: what is wrong" for each that leaves it, also by a symbolic link.
void ConfinePaths(const std::string& data_root, v1::TrainingSpec& spec,
                  std::vector<std::string>& errors);

// Errors of a spec whose fields are right in themselves (SpecErrors): a data set that does not
// open, that lacks images which a run needs, that is packed for another input, or whose images
// alone take more than `memory_bytes`; too few pairs or identities for a batch, none held back for
// validation.keep_best, attributes that the source lacks, weights or a version
// that are not there or of another network, a device that is not there. "field: what is wrong", all
// of them. Reads no image, and looks for a thousand of each data set, so that it does not take
// minutes: a run that is refused here would fail for sure, but one that is not may still fail when
// it reads the others.
std::vector<std::string> RunErrors(const v1::TrainingSpec& resolved, const CheckpointStore& store,
                                   uint64_t memory_bytes);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_SPEC_CHECK_H_
