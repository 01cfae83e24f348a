// The rate of each update, and how strongly gradients are reversed: pure functions of the place, so
// that a resumed run continues exactly as an uninterrupted one.
#ifndef S2P_TRAINER_OPTIMIZATION_LEARNING_RATE_H_
#define S2P_TRAINER_OPTIMIZATION_LEARNING_RATE_H_

#include "s2p/v1/training.pb.h"
#include "trainer/optimization/training_place.h"

namespace s2p {
namespace paper {

// The rate of the heads for the batch at `place`: rises linearly over `warmup_epochs`, then stays,
// or falls to 0 along a half cosine.
double LearningRate(const v1::TrainingSpec& spec, const TrainingPlace& place);

// Coefficient of the gradient reversal: 2 / (1 + exp(-10 p)) - 1, where p in (0, 1] is the progress
// of the repeat after the batch at `place` (Ganin and Lempitsky, ICML 2015).
double ReversalCoefficient(const TrainingPlace& place);

}  // namespace paper

namespace release {

// The same in the release, whose trainers set the rate after each epoch: epoch e trains with
// AdjustedRate(e - 1), and epoch 0 with the full rate. `cosine` is ignored.
double LearningRate(const v1::TrainingSpec& spec, const TrainingPlace& place);

// Returns the rate that the release's adjust_learning_rate(epoch) sets. Step 1: rate * (e + 1) up
// to epoch 10, rate to 30, rate * step1_decay to 60, rate to 80, half to 100, then rate *
// step1_last_decay (a tenth if unset): the trainer of Market-1501 ends with a tenth, that of
// UT-Zap50K stays at half. Step 2: rate * (e + 1) / warmup_epochs below that, then the rate, and
// from `step2_decay_from_epoch` on rate * step2_decay^(e / 10).
double AdjustedRate(const v1::TrainingSpec& spec, int ihda_step, int epoch);

// As paper::ReversalCoefficient with p = update / 10000, however many updates the step has: below
// 0.1 in the release's own 183 updates.
double ReversalCoefficient(const TrainingPlace& place);

}  // namespace release

}  // namespace s2p

#endif  // S2P_TRAINER_OPTIMIZATION_LEARNING_RATE_H_
