// The rate of each update, and how strongly gradients are reversed: pure functions of where
// training is, so that a resumed run goes on exactly as an uninterrupted one.
#ifndef S2P_TRAINER_IHDA_LEARNING_RATE_H_
#define S2P_TRAINER_IHDA_LEARNING_RATE_H_

#include <cstdint>

#include "s2p/v1/training.pb.h"

namespace s2p {

// The heads' rate for update `step` (from 0) of `steps` in epoch `epoch` (from 0).
//
// RECIPE_PAPER: rises linearly over `warmup_epochs`, then stays, or falls to 0 along a half cosine.
//
// RECIPE_RELEASE: by epoch, as the release's trainers set it (they set it after the epoch, so epoch
// e trains with the value of e - 1, and epoch 0 with the full rate). Step 1: rate * (e + 1) up to
// epoch 10, rate to 30, rate * decay to 60, rate to 80, then half. Step 2: rate * (e + 1) /
// warmup_epochs below that, then the rate, and from `decay_from_epoch` on rate *
// decay^(e / 10). `cosine` is ignored.
double LearningRate(const v1::TrainingSpec::StepSpec& spec, v1::Recipe recipe, int ihda_step,
                    int epoch, int step, int steps);

// What the release's adjust_learning_rate(epoch) sets, before the lag.
double ReleaseLearningRate(const v1::TrainingSpec::StepSpec& spec, int ihda_step, int epoch);

// Coefficient of the gradient reversal at update `iteration`, from 1: 2 / (1 + exp(-10 i / 10000))
// - 1 (Ganin and Lempitsky, ICML 2015, with the release's constants). In [0, 1).
double ReversalCoefficient(int64_t iteration);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_LEARNING_RATE_H_
