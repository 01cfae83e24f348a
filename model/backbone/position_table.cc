#include "model/backbone/position_table.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <torch/utils.h>

#include <array>
#include <cmath>

#include "base/check.h"

namespace s2p {
namespace {

// DINOv2 adds it to a side before dividing, so that rounding down gives the side again.
constexpr double kOffset = 0.1;

// [1, width, side, side] -> [1, width, rows, columns].
torch::Tensor Resample(const torch::Tensor& grid, int64_t rows, int64_t columns,
                       v1::PositionResampling rule) {
  const std::array<int64_t, 2> size = {rows, columns};
  const auto side = static_cast<double>(grid.size(2));
  switch (rule) {
    case v1::POSITION_RESAMPLING_ANTIALIASED:
      return at::_upsample_bicubic2d_aa(grid, size, /*align_corners=*/false);
    case v1::POSITION_RESAMPLING_OFFSET:
      return at::upsample_bicubic2d(grid, size, /*align_corners=*/false,
                                    (static_cast<double>(rows) + kOffset) / side,
                                    (static_cast<double>(columns) + kOffset) / side);
    case v1::POSITION_RESAMPLING_ALIGNED_CORNERS:
      return at::upsample_bicubic2d(grid, size, /*align_corners=*/true);
    default:
      return at::upsample_bicubic2d(grid, size, /*align_corners=*/false);
  }
}

}  // namespace

torch::Tensor ResamplePositions(const torch::Tensor& table, int64_t prefix, int64_t rows,
                                int64_t columns, v1::PositionResampling rule) {
  const int64_t cells = table.size(1) - prefix;
  const int64_t side = std::llround(std::sqrt(static_cast<double>(cells)));
  S2P_CHECK(side * side == cells);
  if (rows == side && columns == side) return table;
  const int64_t width = table.size(2);
  torch::Tensor grid = table.slice(1, prefix).reshape({1, side, side, width}).permute({0, 3, 1, 2});
  if (grid.scalar_type() == torch::kFloat16) grid = grid.to(torch::kFloat32);
  const torch::Tensor resampled = Resample(grid, rows, columns, rule)
                                      .permute({0, 2, 3, 1})
                                      .reshape({1, rows * columns, width})
                                      .to(table.scalar_type());
  return torch::cat({table.slice(1, 0, prefix), resampled}, 1);
}

}  // namespace s2p
