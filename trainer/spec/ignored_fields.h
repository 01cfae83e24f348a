// Fields that a spec sets in vain.
#ifndef S2P_TRAINER_SPEC_IGNORED_FIELDS_H_
#define S2P_TRAINER_SPEC_IGNORED_FIELDS_H_

#include <string>
#include <vector>

#include "s2p/v1/training.pb.h"

namespace s2p {

// "field: has no effect: why" for each field of a person's spec that nothing reads in the resolved
// one. 0, false and the value that the preset gives it anyway are no errors, so that a resolved
// spec can be resolved again. Fields that only matter together with another one, such as
// loss.margin, are not among them; docs/training.md lists those.
std::vector<std::string> IgnoredFields(const v1::TrainingSpec& spec, const v1::TrainingSpec& preset,
                                       const v1::TrainingSpec& resolved);

// Clears them in a spec that an older program accepted.
void ClearIgnoredFields(v1::TrainingSpec& spec);

// The names of all fields that IgnoredFields may name.
std::vector<std::string> FieldsThatMayBeIgnored();

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_IGNORED_FIELDS_H_
