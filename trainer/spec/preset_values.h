// A preset as a message.
#ifndef S2P_TRAINER_SPEC_PRESET_VALUES_H_
#define S2P_TRAINER_SPEC_PRESET_VALUES_H_

#include "absl/status/statusor.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// The values of the preset that a spec names ("shoes" if it names none), with its name.
// InvalidArgument for an unknown one, listing the known ones.
absl::StatusOr<v1::TrainingSpec> PresetValues(const v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_PRESET_VALUES_H_
