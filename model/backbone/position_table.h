// A transformer's learned positions for inputs of any size.
#ifndef S2P_MODEL_BACKBONE_POSITION_TABLE_H_
#define S2P_MODEL_BACKBONE_POSITION_TABLE_H_

#include <torch/types.h>

#include <cstdint>

#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// Resamples the square part of `table`, [1, prefix + side * side, width] with row-major cells after
// `prefix` rows that stay as they are, to [1, prefix + rows * columns, width]. Differentiable. The
// table itself if it has this size. Half precision is resampled in float32.
torch::Tensor ResamplePositions(const torch::Tensor& table, int64_t prefix, int64_t rows,
                                int64_t columns, v1::PositionResampling rule);

}  // namespace s2p

#endif  // S2P_MODEL_BACKBONE_POSITION_TABLE_H_
