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

// The format of a run of this spec: rules that only some specs follow have changed since, so that
// runs of the others keep their states.
inline int TrainingFormatOf(const v1::TrainingSpec& spec) {
  int format = kTrainingFormat;
  // The stream of the seed from which triplets are drawn.
  if (spec.loss().photo_neighbours().weight() > 0) format += 1;
  // The photos among which held-back sketches are searched, and the share of people's sketches.
  if (spec.pseudo().per_photo() > 0 &&
      (spec.validation().sketches_only() || spec.pseudo().choose_human_share())) {
    format += 2;
  }
  // Drawings on ruled paper. Pictures that are cut to a thin part changed too, but programs of
  // before ran out of memory on those.
  if (spec.sketch().measured_ground() || spec.photo().measured_ground()) format += 4;
  return format;
}

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_TRAINING_FORMAT_H_
