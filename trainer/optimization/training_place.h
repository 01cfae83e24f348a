// The words for where training stands: a *step* is one of IHDA's two, a *repeat* one of the runs of
// step 2 whose weights are averaged, an *update* one step of the optimiser.
#ifndef S2P_TRAINER_OPTIMIZATION_TRAINING_PLACE_H_
#define S2P_TRAINER_OPTIMIZATION_TRAINING_PLACE_H_

#include <cstdint>

namespace s2p {

// The place of one batch in a run. A value.
struct TrainingPlace {
  // 1 or 2.
  int ihda_step = 1;
  // From 0; step 1 has one repeat.
  int repeat = 0;
  int repeats = 1;
  // Within the repeat, from 0.
  int epoch = 0;
  int epochs = 0;
  // Within the epoch, from 0. `accumulate` batches make an update.
  int batch = 0;
  int batches = 0;
  // The update that the batch is part of, within the repeat, from 1; 0 before the first.
  int64_t update = 0;

  // As people count: from 1, over all repeats.
  int EpochNumber() const { return repeat * epochs + epoch + 1; }
};

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_TRAINING_PLACE_H_
