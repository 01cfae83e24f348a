#include "trainer/parallel/ranks.h"

#include <torch/utils.h>

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace s2p {

RowRange RowsOfRank(int rank, int count, int64_t rows) {
  return {rows * rank / count, rows * (rank + 1) / count};
}

torch::Tensor Ranks::SumStatistics(const torch::Tensor& mine) {
  torch::Tensor sum = mine.clone();
  Sum(sum);
  return sum;
}

torch::Tensor Ranks::GatherRows(const torch::Tensor& mine, int64_t rows) {
  const RowRange own = RowsOf(rows);
  S2P_CHECK(mine.size(0) == own.end - own.begin);
  // Collectives move blocks of one size: the largest that a rank has.
  const int64_t most = (rows + count() - 1) / count();
  std::vector<int64_t> shape = mine.sizes().vec();
  shape[0] = most;
  torch::Tensor blocks;
  {
    torch::NoGradGuard no_grad;
    torch::Tensor block = torch::zeros(shape, mine.options().requires_grad(false));
    block.slice(0, 0, mine.size(0)).copy_(mine.detach());
    blocks = Gather(block);
  }
  std::vector<torch::Tensor> parts;
  for (int r = 0; r < count(); ++r) {
    const RowRange range = RowsOfRank(r, count(), rows);
    parts.push_back(r == rank() ? mine : blocks[r].slice(0, 0, range.end - range.begin));
  }
  return torch::cat(parts);
}

bool Ranks::Any(bool mine) {
  const torch::Tensor sum = torch::full({1}, mine ? 1.0 : 0.0, torch::kFloat32);
  Sum(sum);
  return sum.item<float>() > 0;
}

double Ranks::BroadcastNumber(double number) {
  const torch::Tensor value = torch::full({1}, number, torch::kFloat64);
  Broadcast(value);
  return value.item<double>();
}

std::string Ranks::BroadcastBytes(const std::string& bytes) {
  const torch::Tensor size =
      torch::full({1}, static_cast<int64_t>(bytes.size()), torch::TensorOptions(torch::kLong));
  Broadcast(size);
  const auto count_bytes = size.item<int64_t>();
  std::string copy(static_cast<size_t>(count_bytes), '\0');
  if (count_bytes == 0) return copy;
  if (first()) copy = bytes;
  Broadcast(torch::from_blob(copy.data(), {count_bytes}, torch::TensorOptions(torch::kUInt8)));
  return copy;
}

}  // namespace s2p
