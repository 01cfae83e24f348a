#include "model/backbone/vision_transformer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "model/torch_tensors.h"
#include "model/torch_version.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/model/golden_weights.h"

namespace s2p {
namespace {

using test::ExpectClose;
using test::SmallTransformer;

// Four blocks, so that each stage has one.
v1::VisionTransformer FourBlocks() {
  v1::VisionTransformer transformer = SmallTransformer();
  transformer.set_depth(4);
  return transformer;
}

std::shared_ptr<Backbone> Create(const v1::VisionTransformer& description, int last_stage = 4) {
  torch::manual_seed(5);
  auto network = CreateVisionTransformer(description, last_stage);
  network->eval();
  return network;
}

TEST(VisionTransformerTest, MapsAreTheGridOfPatches) {
  const torch::NoGradGuard no_grad;
  v1::VisionTransformer description = FourBlocks();
  description.set_registers(3);
  description.set_projection(10);
  const FeatureMaps maps = Create(description)->Forward(torch::randn({2, 3, 32, 48}));
  EXPECT_EQ(maps.last.sizes(), (std::vector<int64_t>{2, 64, 4, 6}));
  EXPECT_EQ(maps.before_last.sizes(), (std::vector<int64_t>{2, 64, 4, 6}));
  EXPECT_EQ(maps.summary.sizes(), (std::vector<int64_t>{2, 10}));
}

TEST(VisionTransformerTest, StageThreeIsBeforeLastOfStageFour) {
  const torch::NoGradGuard no_grad;
  const auto four = Create(FourBlocks(), 4), three = Create(FourBlocks(), 3);
  test::FillModule(*four);
  test::FillModule(*three);
  const torch::Tensor images = torch::randn({1, 3, 32, 32});
  const FeatureMaps maps = three->Forward(images);
  ExpectClose(maps.last, four->Forward(images).before_last, 1e-6, 0, "stage 3");
  EXPECT_FALSE(maps.summary.defined());
  for (const auto& [name, tensor] : NamedTensors(*three)) {
    EXPECT_FALSE(absl::StartsWith(name, "blocks.3.") || absl::StartsWith(name, "norm.")) << name;
  }
}

TEST(VisionTransformerTest, SummaryWithoutClassTokenAndPoolIsTheMeanOfTheLastMaps) {
  const torch::NoGradGuard no_grad;
  v1::VisionTransformer description = FourBlocks();
  description.set_class_token(false);
  description.set_registers(2);
  const FeatureMaps maps = Create(description)->Forward(torch::randn({2, 3, 32, 32}));
  ExpectClose(maps.summary, maps.last.mean({2, 3}), 1e-5, 1e-6, "summary");
}

TEST(VisionTransformerTest, PatchesKeepTheirPlace) {
  const torch::NoGradGuard no_grad;
  // Without attention between tokens, a patch changes its own cell alone.
  const auto network = Create(SmallTransformer());
  for (auto& [name, tensor] : NamedTensors(*network)) {
    if (absl::StrContains(name, "attn.")) tensor.zero_();
  }
  torch::Tensor images = torch::zeros({1, 3, 32, 32});
  const torch::Tensor before = network->Forward(images).last;
  images.slice(2, 8, 16).slice(3, 24, 32).fill_(1);
  const torch::Tensor changed = (network->Forward(images).last - before).abs().sum(1)[0];
  for (int64_t row = 0; row < 4; ++row) {
    for (int64_t column = 0; column < 4; ++column) {
      EXPECT_EQ(changed[row][column].item<float>() > 0, row == 1 && column == 3)
          << row << ", " << column;
    }
  }
}

TEST(VisionTransformerTest, StagesAreTheStemAndFourPartsAndHoldAllParameters) {
  v1::VisionTransformer description = FourBlocks();
  description.set_registers(1);
  description.set_pre_norm(true);
  description.set_layer_scale(true);
  description.set_attention_pool(true);
  description.set_projection(10);
  const auto network = Create(description);
  const auto stages = network->Stages();
  ASSERT_EQ(stages.size(), 5u);
  size_t parameters = 0;
  for (const auto& stage : stages) parameters += stage->parameters().size();
  EXPECT_EQ(parameters, network->parameters().size());
  for (torch::Tensor& parameter : stages[0]->parameters()) parameter.set_requires_grad(false);
  for (const auto& parameter : network->named_parameters()) {
    const bool is_stem = !absl::StartsWith(parameter.key(), "blocks.") &&
                         !absl::StartsWith(parameter.key(), "norm.") &&
                         !absl::StartsWith(parameter.key(), "attn_pool.") &&
                         !absl::StartsWith(parameter.key(), "head.");
    EXPECT_EQ(parameter.value().requires_grad(), !is_stem) << parameter.key();
  }
}

TEST(VisionTransformerTest, ConversionsReachTheParametersOfTheStem) {
  const auto network = Create(SmallTransformer());
  network->to(torch::kFloat64);
  const FeatureMaps maps = network->Forward(torch::randn({1, 3, 32, 32}, torch::kFloat64));
  EXPECT_EQ(maps.last.scalar_type(), torch::kFloat64);
  maps.summary.sum().backward();
  for (const auto& parameter : network->named_parameters()) {
    EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
  }
}

TEST(VisionTransformerTest, TrainsInBfloat16) {
  v1::VisionTransformer description = FourBlocks();
  description.set_registers(1);
  description.set_pre_norm(true);
  description.set_layer_scale(true);
  description.set_attention_pool(true);
  const auto network = Create(description);
  const torch::Tensor images = torch::randn({2, 3, 32, 48});
  const torch::Tensor want = network->Forward(images).summary.detach();
  const Bf16Autocast autocast(true, at::kCPU);
  const torch::Tensor got = network->Forward(images).summary.to(torch::kFloat32);
  ExpectClose(got.detach(), want, 0.05, 0, "summary");
  got.sum().backward();
  for (const auto& parameter : network->named_parameters()) {
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST(AttentionTest, PiecesOfQueriesGiveTheFormula) {
  const auto options = torch::TensorOptions(torch::kFloat64);
  const torch::Tensor q = torch::randn({2, 3, 7, 4}, options);
  const torch::Tensor k = torch::randn({2, 3, 5, 4}, options);
  const torch::Tensor v = torch::randn({2, 3, 5, 4}, options);
  const torch::Tensor want =
      torch::matmul(torch::softmax(torch::matmul(q, k.transpose(2, 3)) / 2, -1), v);
  // All at once; two queries at a time; one, although a query alone exceeds the limit.
  for (const int64_t most_scores : {1 << 24, 60, 1}) {
    ExpectClose(ScaledDotProductAttention(q, k, v, most_scores), want, 1e-12, 0, "attention");
  }
}

}  // namespace
}  // namespace s2p
