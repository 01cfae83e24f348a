#include "trainer/optimization/learning_rate.h"

#include <algorithm>
#include <cmath>

namespace s2p {
namespace {

constexpr double kPi = 3.14159265358979323846;
// The release's max_iter.
constexpr double kReversalUpdates = 10000;
// The factor of the last epochs of step 1 in specs of programs that had no other.
constexpr double kDefaultLastDecay = 0.1;

const v1::TrainingSpec::StepSpec& StepOf(const v1::TrainingSpec& spec, int ihda_step) {
  return ihda_step == 1 ? spec.step1() : spec.step2();
}

// Counted at the end of the batch, so that the first update moves.
double EpochsDone(const TrainingPlace& place) {
  return place.epoch + static_cast<double>(place.batch + 1) / std::max(1, place.batches);
}

// A decay that is 0 or unset is none.
double FactorOf(double decay) { return decay == 0 ? 1 : decay; }

double ReversalAt(double progress) { return 2 / (1 + std::exp(-10 * progress)) - 1; }

}  // namespace

double paper::LearningRate(const v1::TrainingSpec& spec, const TrainingPlace& place) {
  const auto& step = StepOf(spec, place.ihda_step);
  const double rate = step.learning_rate();
  const double position = EpochsDone(place);
  const double warmup = step.warmup_epochs();
  if (position < warmup) return rate * position / warmup;
  if (!step.cosine()) return rate;
  const double rest = std::max(1e-9, step.epochs() - warmup);
  const double progress = std::min(1.0, (position - warmup) / rest);
  return rate * 0.5 * (1 + std::cos(kPi * progress));
}

double release::LearningRate(const v1::TrainingSpec& spec, const TrainingPlace& place) {
  if (place.epoch == 0) return StepOf(spec, place.ihda_step).learning_rate();
  return AdjustedRate(spec, place.ihda_step, place.epoch - 1);
}

double release::AdjustedRate(const v1::TrainingSpec& spec, int ihda_step, int epoch) {
  const auto& step = StepOf(spec, ihda_step);
  const auto& decays = spec.release();
  const double rate = step.learning_rate();
  if (ihda_step == 1) {
    if (epoch <= 10) return rate * (epoch + 1);
    if (epoch <= 30) return rate;
    if (epoch <= 60) return rate * FactorOf(decays.step1_decay());
    if (epoch <= 80) return rate;
    if (epoch <= 100) return rate * 0.5;
    if (!decays.has_step1_last_decay()) return rate * kDefaultLastDecay;
    return rate * FactorOf(decays.step1_last_decay());
  }
  const int warmup = static_cast<int>(step.warmup_epochs());
  if (epoch < warmup) return rate * (epoch + 1) / warmup;
  if (epoch < static_cast<int>(decays.step2_decay_from_epoch())) return rate;
  return rate * std::pow(FactorOf(decays.step2_decay()), epoch / 10.0);
}

double paper::ReversalCoefficient(const TrainingPlace& place) {
  return ReversalAt(EpochsDone(place) / std::max(1, place.epochs));
}

double release::ReversalCoefficient(const TrainingPlace& place) {
  return ReversalAt(static_cast<double>(place.update) / kReversalUpdates);
}

}  // namespace s2p
