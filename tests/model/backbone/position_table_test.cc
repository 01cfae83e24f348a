#include "model/backbone/position_table.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <string>

#include "tests/model/golden_weights.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::ExpectClose;
using test::IsOk;

constexpr v1::PositionResampling kRules[] = {
    v1::POSITION_RESAMPLING_ANTIALIASED, v1::POSITION_RESAMPLING_PLAIN,
    v1::POSITION_RESAMPLING_OFFSET, v1::POSITION_RESAMPLING_ALIGNED_CORNERS};

struct Size {
  const char* name;
  int64_t rows, columns;
};

TEST(ResamplePositionsTest, EveryRuleIsTheReferencePrograms) {
  S2P_GOLDEN_OR_SKIP(path, "vit.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  const torch::Tensor table = ToTorch(golden->at("interp/table"));
  const std::pair<const char*, v1::PositionResampling> programs[] = {
      {"open_clip", v1::POSITION_RESAMPLING_ANTIALIASED},
      {"timm", v1::POSITION_RESAMPLING_ANTIALIASED},
      {"dinov2_reg", v1::POSITION_RESAMPLING_ANTIALIASED},
      {"dinov2", v1::POSITION_RESAMPLING_OFFSET},
      {"bicubic", v1::POSITION_RESAMPLING_PLAIN},
      {"torchvision", v1::POSITION_RESAMPLING_ALIGNED_CORNERS}};
  int compared = 0;
  for (const Size& size : {Size{"3x4", 3, 4}, Size{"7x6", 7, 6}, Size{"3x3", 3, 3}}) {
    for (const auto& [program, rule] : programs) {
      const std::string name = std::string("interp/") + size.name + "/" + program;
      // torchvision resamples squares only.
      if (golden->count(name) == 0) continue;
      ++compared;
      const torch::Tensor got = ResamplePositions(table, 1, size.rows, size.columns, rule);
      ExpectClose(got[0], ToTorch(golden->at(name)), 1e-5, 1e-8, name, "vit.safetensors");
      const torch::Tensor exact =
          ResamplePositions(table.to(torch::kFloat64), 1, size.rows, size.columns, rule);
      ExpectClose(exact[0], ToTorch(golden->at(name + ".f64")), 1e-10, 1e-13, name + ".f64",
                  "vit.safetensors");
    }
  }
  EXPECT_EQ(compared, 16);
}

TEST(ResamplePositionsTest, TableOfTheRightSizeIsUsedAsItIs) {
  const torch::Tensor table = torch::randn({1, 17, 8});
  for (const auto rule : kRules) {
    EXPECT_TRUE(ResamplePositions(table, 1, 4, 4, rule).is_same(table));
  }
}

TEST(ResamplePositionsTest, RowsBeforeTheCellsStayAsTheyAre) {
  const torch::Tensor table = torch::randn({1, 18, 8});
  for (const auto rule : kRules) {
    const torch::Tensor resampled = ResamplePositions(table, 2, 3, 5, rule);
    EXPECT_EQ(resampled.sizes(), (std::vector<int64_t>{1, 17, 8}));
    EXPECT_TRUE(resampled.slice(1, 0, 2).equal(table.slice(1, 0, 2)));
  }
}

// The rules are linear, so that differences of any size give the gradient.
TEST(ResamplePositionsTest, GradientIsTheDifferenceQuotient) {
  const torch::Tensor weights = torch::randn({1, 7, 2}, torch::kFloat64);
  for (const auto rule : kRules) {
    torch::Tensor table = torch::randn({1, 17, 2}, torch::kFloat64).requires_grad_();
    const auto value = [&](const torch::Tensor& t) {
      return (ResamplePositions(t, 1, 2, 3, rule) * weights).sum();
    };
    value(table).backward();
    const torch::NoGradGuard no_grad;
    for (const int64_t row : {0, 1, 6, 16}) {
      torch::Tensor moved = table.clone();
      moved[0][row][1] += 1;
      EXPECT_NEAR(table.grad()[0][row][1].item<double>(),
                  (value(moved) - value(table)).item<double>(), 1e-9)
          << "rule " << rule << " row " << row;
    }
  }
}

}  // namespace
}  // namespace s2p
