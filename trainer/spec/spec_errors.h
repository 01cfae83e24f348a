// The errors of a spec that show in the spec alone. trainer/program/spec_check.h finds those that
// need a look at its data, weights and device.
#ifndef S2P_TRAINER_SPEC_SPEC_ERRORS_H_
#define S2P_TRAINER_SPEC_SPEC_ERRORS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// "field: what it must be" for each wrong field of a resolved spec.
std::vector<std::string> SpecErrors(const v1::TrainingSpec& resolved);

// All of them as one InvalidArgument; OK if there are none.
absl::Status WrongSpec(const std::vector<std::string>& errors);

// The two together.
absl::Status ValidateSpec(const v1::TrainingSpec& resolved);

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_SPEC_ERRORS_H_
