// The baseline that needs no learning, and that every trained model has to beat.
#ifndef S2P_TRAINER_EVALUATION_EDGE_CORRELATION_H_
#define S2P_TRAINER_EVALUATION_EDGE_CORRELATION_H_

#include <string>

#include "absl/status/statusor.h"
#include "s2p/v1/checkpoint.pb.h"
#include "trainer/data/data_set.h"

namespace s2p {

// Ranks photos by the normalised cross-correlation of the photo's edge map with the sketch, both
// grey and `side` x `side` pixels. Smaller sides forgive more displacement; 32 is the best of 16 to
// 96 on the procedural data set. An image of one colour matches nothing. `direction` is
// "sketch-to-photo" or "photo-to-sketch". NotFound if the split has no photo or no sketch; else as
// DataSet::Read.
absl::StatusOr<v1::Evaluation> EvaluateEdgeCorrelation(const DataSet& data_set,
                                                       const std::string& split,
                                                       const std::string& direction, int side = 32);

}  // namespace s2p

#endif  // S2P_TRAINER_EVALUATION_EDGE_CORRELATION_H_
