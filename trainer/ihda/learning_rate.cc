#include "trainer/ihda/learning_rate.h"

#include <algorithm>
#include <cmath>

namespace s2p {
namespace {

constexpr double kPi = 3.14159265358979323846;

double PaperLearningRate(const v1::TrainingSpec::StepSpec& spec, int epoch, int step, int steps) {
  const double rate = spec.learning_rate();
  // In epochs, counted at the end of the update, so that the first one moves.
  const double position = epoch + static_cast<double>(step + 1) / std::max(1, steps);
  const double warmup = spec.warmup_epochs();
  if (position < warmup) return rate * position / warmup;
  if (!spec.cosine()) return rate;
  const double rest = std::max(1e-9, spec.epochs() - warmup);
  const double progress = std::min(1.0, (position - warmup) / rest);
  return rate * 0.5 * (1 + std::cos(kPi * progress));
}

}  // namespace

double ReleaseLearningRate(const v1::TrainingSpec::StepSpec& spec, int ihda_step, int epoch) {
  const double rate = spec.learning_rate();
  const double decay = spec.decay() == 0 ? 1 : spec.decay();
  if (ihda_step == 1) {
    if (epoch <= 10) return rate * (epoch + 1);
    if (epoch <= 30) return rate;
    if (epoch <= 60) return rate * decay;
    return epoch <= 80 ? rate : rate * 0.5;
  }
  const int warmup = static_cast<int>(spec.warmup_epochs());
  if (epoch < warmup) return rate * (epoch + 1) / warmup;
  if (epoch < static_cast<int>(spec.decay_from_epoch())) return rate;
  return rate * std::pow(decay, epoch / 10.0);
}

double LearningRate(const v1::TrainingSpec::StepSpec& spec, v1::Recipe recipe, int ihda_step,
                    int epoch, int step, int steps) {
  if (recipe != v1::RECIPE_RELEASE) return PaperLearningRate(spec, epoch, step, steps);
  return epoch == 0 ? spec.learning_rate() : ReleaseLearningRate(spec, ihda_step, epoch - 1);
}

double ReversalCoefficient(int64_t iteration) {
  return 2 / (1 + std::exp(-10.0 * static_cast<double>(iteration) / 10000)) - 1;
}

}  // namespace s2p
