// Specs that older programs wrote: fields that have moved since, and what is still read of them.
#ifndef S2P_TRAINER_SPEC_SPEC_FORM_H_
#define S2P_TRAINER_SPEC_SPEC_FORM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "s2p/v1/training.pb.h"

namespace s2p {

// "field: has moved, use OTHER" for each field of a person's spec that has moved.
std::vector<std::string> MovedFields(const v1::TrainingSpec& spec);

// Turns a spec that is kept on disk into the present form, which means the same. Does nothing to
// one that has it.
void UpgradeSpec(v1::TrainingSpec& spec);

// The form of the first programs, which digests are taken of: the digest of a run, and with it the
// right to resume its state, does not change when fields move. Unset fields that have moved get the
// value that every preset had.
v1::TrainingSpec FirstForm(const v1::TrainingSpec& spec);

// The fold that a spec holds back (data/data_set.h); `folds` is 0 where there are none. Only jobs
// that an older program queued have one of their own; cross-validation sets it for the digest.
struct SpecFold {
  uint32_t folds = 0;
  uint32_t fold = 0;
};
SpecFold FoldOf(const v1::TrainingSpec& spec);
void SetFold(const SpecFold& fold, v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_SPEC_SPEC_FORM_H_
