// The rules of training, as a number.
#ifndef S2P_TRAINER_IHDA_TRAINING_FORMAT_H_
#define S2P_TRAINER_IHDA_TRAINING_FORMAT_H_

#include "s2p/v1/training.pb.h"

namespace s2p {

// Raised by each change after which some spec, with the same data, number of threads and libraries,
// ends with other weights: a change of losses, sampling, augmentation, rates, optimisers, first
// weights or the fields' meaning; not one of speed, words or files. The program's version is not
// this number, because most upgrades leave training as it is, and a job of many days must outlive
// them. A state of another format belongs to another run: half of its weights would come from
// rules that the other half has not followed, and no program could train them again. States of
// programs before this number have format 1.
inline constexpr int kTrainingFormat = 1;

// The format of a run of this spec. Rules of loss.photo_neighbours alone have changed once, so that
// runs without it keep their states.
inline int TrainingFormatOf(const v1::TrainingSpec& spec) {
  return kTrainingFormat + (spec.loss().photo_neighbours().weight() > 0 ? 1 : 0);
}

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_TRAINING_FORMAT_H_
