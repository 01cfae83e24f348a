#include "trainer/program/training_round.h"

#include <algorithm>

#include "trainer/evaluation/evaluator.h"
#include "trainer/program/comparison.h"
#include "trainer/program/unseen_images.h"

namespace s2p {

uint32_t ConfirmedPairs(const DataSet& target) {
  const auto pairs =
      std::count_if(target.images().begin(), target.images().end(), [](const DataSetImage& image) {
        return image.modality == v1::MODALITY_SKETCH && !image.folder.empty() &&
               image.split != "test";
      });
  return static_cast<uint32_t>(pairs);
}

std::optional<v1::TrainingRound> RoundOf(const v1::TrainingSpec& resolved, uint32_t pairs,
                                         const std::optional<v1::Comparison>& comparison,
                                         const std::vector<v1::Evaluation>& evaluations) {
  if (!resolved.watch() || resolved.pairs_dataset().empty()) return std::nullopt;
  v1::TrainingRound round;
  round.set_pairs(pairs);
  round.set_metric(resolved.publish().metric());
  if (comparison.has_value()) {
    round.set_candidate(comparison->candidate());
    round.set_published(comparison->published());
    round.set_compared_version(comparison->published_version());
    return round;
  }
  for (const v1::Evaluation& evaluation : evaluations) {
    if (evaluation.split() != kHeldBackSplit || evaluation.direction() != kSketchToPhoto ||
        evaluation.queries() == 0) {
      continue;
    }
    round.set_candidate(MetricOf(evaluation, round.metric()));
  }
  return round;
}

}  // namespace s2p
