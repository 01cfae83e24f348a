// The outcome of one training on confirmed pairs.
#ifndef S2P_TRAINER_PROGRAM_TRAINING_ROUND_H_
#define S2P_TRAINER_PROGRAM_TRAINING_ROUND_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "s2p/v1/checkpoint.pb.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Sketches of a pairs_dataset in what OpenWithPairs has opened, without those of the split "test".
uint32_t ConfirmedPairs(const DataSet& target);

// The pairs, the metric and its values; nothing unless the spec watches a pairs_dataset. Without a
// comparison the trained model's value is that of its evaluation on held-back identities, if there
// is one.
std::optional<v1::TrainingRound> RoundOf(const v1::TrainingSpec& resolved, uint32_t pairs,
                                         const std::optional<v1::Comparison>& comparison,
                                         const std::vector<v1::Evaluation>& evaluations);

}  // namespace s2p

#endif  // S2P_TRAINER_PROGRAM_TRAINING_ROUND_H_
