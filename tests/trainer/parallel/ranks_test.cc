#include "trainer/parallel/ranks.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

namespace s2p {
namespace {

// Rank 1 of 3 that gets these blocks from a gather.
class FixedRanks : public Ranks {
 public:
  explicit FixedRanks(torch::Tensor blocks) : blocks_(std::move(blocks)) {}
  int rank() const override { return 1; }
  int count() const override { return 3; }
  int local_rank() const override { return 1; }
  absl::Status status() const override { return absl::OkStatus(); }
  void Sum(torch::Tensor tensor) override { tensor.mul_(3); }
  void Broadcast(torch::Tensor) override {}
  torch::Tensor Gather(const torch::Tensor& mine) override {
    sent = mine;
    return blocks_;
  }

  torch::Tensor sent;

 private:
  const torch::Tensor blocks_;
};

TEST(RowsOfRankTest, CoverTheBatchEvenly) {
  for (const int64_t rows : {0, 1, 7, 8, 64}) {
    for (const int count : {1, 2, 3, 8}) {
      int64_t next = 0;
      for (int rank = 0; rank < count; ++rank) {
        const RowRange range = RowsOfRank(rank, count, rows);
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.end - range.begin, rows / count);
        EXPECT_LE(range.end - range.begin, (rows + count - 1) / count);
        next = range.end;
      }
      EXPECT_EQ(next, rows);
    }
  }
}

// 4 rows: the ranks have 1, 1 and 2.
TEST(RanksTest, GathersRowsInTheirOrderWithoutThePadding) {
  FixedRanks ranks(torch::arange(6, torch::kFloat32).view({3, 2, 1}));
  const torch::Tensor rows = ranks.GatherRows(torch::full({1, 1}, 9.0), 4);
  EXPECT_TRUE(torch::equal(rows.flatten(), torch::tensor({0.0f, 9.0f, 4.0f, 5.0f})));
  EXPECT_TRUE(torch::equal(ranks.sent.flatten(), torch::tensor({9.0f, 0.0f})));
}

TEST(RanksTest, TheGradientReachesTheOwnRowsAlone) {
  FixedRanks ranks(torch::ones({3, 2, 1}));
  const torch::Tensor mine = torch::full({1, 1}, 2.0).set_requires_grad(true);
  ranks.GatherRows(mine, 4).pow(2).sum().backward();
  EXPECT_EQ(mine.grad().item<float>(), 4);
}

TEST(RanksTest, AnyIsTrueOnceOneIs) {
  FixedRanks ranks(torch::ones({3, 2, 1}));
  EXPECT_TRUE(ranks.Any(true));
  EXPECT_FALSE(ranks.Any(false));
}

}  // namespace
}  // namespace s2p
