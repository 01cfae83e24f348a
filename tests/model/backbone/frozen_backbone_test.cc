#include "model/backbone/frozen_backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/backbone/backbone.h"
#include "model/backbone/batch_norm_folding.h"
#include "model/backbone/convnext.h"
#include "model/backbone/vision_transformer.h"
#include "model/precision.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/model/golden_weights.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

std::shared_ptr<Backbone> MakeBackbone(const std::string& arch, int last_stage = 4) {
  v1::Backbone spec;
  spec.set_arch(arch);
  spec.set_last_stage(last_stage);
  spec.set_last_stride(1);
  torch::manual_seed(3);
  auto backbone = CreateBackbone(spec);
  EXPECT_THAT(backbone, IsOk());
  return *std::move(backbone);
}

// Draws statistics as after training: no mean is 0, no variance 1.
void DrawStatistics(Backbone& backbone) {
  const torch::NoGradGuard no_grad;
  for (const auto& module : backbone.modules()) {
    if (auto* norm = module->as<torch::nn::BatchNorm2dImpl>()) {
      norm->weight.uniform_(0.5, 1.5);
      norm->bias.normal_(0, 0.3);
      norm->running_mean.normal_(0, 0.3);
      norm->running_var.uniform_(0.3, 2);
    }
  }
  backbone.eval();
}

// The largest difference, as a share of the largest value.
double LargestError(const torch::Tensor& got, const torch::Tensor& want) {
  EXPECT_EQ(got.sizes(), want.sizes());
  return ((got - want).abs().max() / want.abs().max()).item<double>();
}

class FrozenBackboneTest
    : public testing::TestWithParam<std::tuple<std::string, int, TensorLayout>> {};

TEST_P(FrozenBackboneTest, ComputesWhatTheNetworkComputes) {
  const auto& [arch, last_stage, layout] = GetParam();
  const auto backbone = MakeBackbone(arch, last_stage);
  DrawStatistics(*backbone);
  if (!backbone->Supports(layout, torch::kCPU)) {
    // Its excitation scales channels, which oneDNN's layout has no operation for.
    EXPECT_TRUE(layout == TensorLayout::kOneDnn && arch == "se_resnext50_32x4d");
    return;
  }
  const c10::InferenceMode inference;
  FrozenOptions options;
  options.layout = layout;
  const auto frozen = backbone->Freeze(options);
  for (int count : {1, 3}) {
    const torch::Tensor images = torch::randn({count, 3, 64, 48});
    const FeatureMaps got = frozen->Forward(images, /*want_before_last=*/true);
    const FeatureMaps want = backbone->Forward(images);
    EXPECT_LE(LargestError(got.last, want.last), 1e-4) << count;
    EXPECT_LE(LargestError(got.before_last, want.before_last), 1e-4) << count;
    EXPECT_FALSE(frozen->Forward(images, /*want_before_last=*/false).before_last.defined());
  }
}

INSTANTIATE_TEST_SUITE_P(All, FrozenBackboneTest,
                         testing::Combine(testing::Values("resnet18", "resnet34", "resnet50",
                                                          "resnet50_caffe", "se_resnext50_32x4d"),
                                          testing::Values(3, 4),
                                          testing::Values(TensorLayout::kContiguous,
                                                          TensorLayout::kChannelsLast,
                                                          TensorLayout::kOneDnn)),
                         [](const auto& test) {
                           return absl::StrCat(std::get<0>(test.param), "_stage",
                                               std::get<1>(test.param), "_",
                                               NameOf(std::get<2>(test.param)));
                         });

// A small transformer with all parts, and a small ConvNeXt.
std::shared_ptr<Backbone> MakeModern(const std::string& arch, int last_stage) {
  std::shared_ptr<Backbone> backbone;
  if (arch == "convnext") {
    backbone = CreateConvNext({{1, 1, 2, 1}, {16, 32, 48, 64}}, last_stage);
  } else {
    v1::VisionTransformer t = test::SmallTransformer();
    t.set_depth(4);
    t.set_registers(2);
    t.set_pre_norm(true);
    t.set_layer_scale(true);
    t.set_attention_pool(true);
    t.set_projection(24);
    backbone = CreateVisionTransformer(t, last_stage);
  }
  test::FillModule(*backbone);
  backbone->eval();
  return backbone;
}

class FrozenCopyTest : public testing::TestWithParam<std::tuple<std::string, int, TensorLayout>> {};

TEST_P(FrozenCopyTest, ComputesWhatTheNetworkComputes) {
  const auto& [arch, last_stage, layout] = GetParam();
  const auto backbone = MakeModern(arch, last_stage);
  FrozenOptions options{layout, torch::kFloat32, torch::kCPU, 40, 48};
  if (!backbone->Supports(layout, torch::kCPU)) {
    EXPECT_TRUE(layout == TensorLayout::kOneDnn || arch == "vit");
    return;
  }
  const c10::InferenceMode inference;
  const auto frozen = backbone->Freeze(options);
  // The size that it was prepared for, the table's own, and another one.
  for (const auto& [height, width] : {std::pair{40, 48}, {32, 32}, {64, 40}}) {
    const torch::Tensor images = torch::randn({2, 3, height, width});
    const FeatureMaps got = frozen->Forward(images, /*want_before_last=*/true);
    const FeatureMaps want = backbone->Forward(images);
    EXPECT_LE(LargestError(got.last, want.last), 1e-4);
    EXPECT_LE(LargestError(got.before_last, want.before_last), 1e-4);
    ASSERT_EQ(got.summary.defined(), last_stage == 4);
    if (last_stage == 4) {
      EXPECT_LE(LargestError(got.summary, want.summary), 1e-4);
    }
    EXPECT_FALSE(frozen->Forward(images, /*want_before_last=*/false).before_last.defined());
  }
}

INSTANTIATE_TEST_SUITE_P(All, FrozenCopyTest,
                         testing::Combine(testing::Values("convnext", "vit"), testing::Values(3, 4),
                                          testing::Values(TensorLayout::kContiguous,
                                                          TensorLayout::kChannelsLast,
                                                          TensorLayout::kOneDnn)),
                         [](const auto& test) {
                           return absl::StrCat(std::get<0>(test.param), "_stage",
                                               std::get<1>(test.param), "_",
                                               NameOf(std::get<2>(test.param)));
                         });

TEST(FrozenCopyTest, LaterTrainingLeavesTheCopyUnchanged) {
  const auto backbone = MakeModern("vit", 4);
  FrozenOptions options;
  options.height = options.width = 40;
  const auto frozen = backbone->Freeze(options);
  const torch::NoGradGuard no_grad;
  const torch::Tensor images = torch::randn({1, 3, 40, 40});
  const torch::Tensor before = frozen->Forward(images, false).summary;
  for (torch::Tensor& parameter : backbone->parameters()) parameter.mul_(2);
  EXPECT_TRUE(frozen->Forward(images, false).summary.equal(before));
}

TEST(FrozenCopyTest, KnowsTheSizeOfItsWeights) {
  const auto backbone = MakeModern("vit", 4);
  uint64_t count = 0;
  for (const torch::Tensor& parameter : backbone->parameters()) count += parameter.numel();
  EXPECT_EQ(backbone->Freeze(FrozenOptions())->bytes(), 4 * count);
}

// Products in bfloat16; everything that is added or normalised stays float32.
TEST(FrozenCopyTest, Bfloat16ConvertsProductsOnly) {
  if (!CpuHasBf16()) GTEST_SKIP() << "this CPU has no AVX512-BF16, or this LibTorch no oneDNN";
  for (const char* arch : {"vit", "convnext"}) {
    const auto backbone = MakeModern(arch, 4);
    uint64_t bytes = 0;
    for (const auto& module : backbone->modules()) {
      const bool is_product = module->as<torch::nn::LinearImpl>() != nullptr ||
                              module->as<torch::nn::Conv2dImpl>() != nullptr;
      for (const torch::Tensor& parameter : module->parameters(/*recurse=*/false)) {
        bytes += static_cast<uint64_t>(parameter.numel()) * (is_product ? 2 : 4);
      }
    }
    const c10::InferenceMode inference;
    const FrozenOptions options{TensorLayout::kContiguous, torch::kBFloat16, torch::kCPU, 32, 32};
    const auto frozen = backbone->Freeze(options);
    EXPECT_EQ(frozen->bytes(), bytes) << arch;
    const torch::Tensor images = torch::randn({2, 3, 32, 32});
    const FeatureMaps got = frozen->Forward(images, /*want_before_last=*/true);
    const FeatureMaps want = backbone->Forward(images);
    for (const auto& [a, b] : {std::pair{got.last, want.last},
                               {got.before_last, want.before_last},
                               {got.summary, want.summary}}) {
      EXPECT_EQ(a.scalar_type(), torch::kFloat32) << arch;
      EXPECT_LE(LargestError(a, b), 0.02) << arch;
    }
  }
}

TEST(ChooseLayoutTest, RefusesLayoutsThatTheNetworkLacks) {
  const auto transformer = MakeModern("vit", 4);
  FrozenOptions options{TensorLayout::kContiguous, torch::kFloat32, torch::kCPU, 32, 32};
  EXPECT_THAT(ChooseLayout(*transformer, "onednn", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("layout: 'onednn' is not available for this network on cpu")));
  EXPECT_THAT(ChooseLayout(*transformer, "fast", options).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("layout: 'fast'")));
  EXPECT_EQ(*ChooseLayout(*transformer, "auto", options), TensorLayout::kContiguous);
}

TEST(FrozenBackboneTest, LeavesTheNetworkUnchanged) {
  const auto backbone = MakeBackbone("resnet18", 3);
  DrawStatistics(*backbone);
  const torch::Tensor images = torch::randn({1, 3, 64, 48});
  const torch::NoGradGuard no_grad;
  const torch::Tensor before = backbone->Forward(images).last;
  FrozenOptions options;
  options.layout = TensorLayout::kChannelsLast;
  backbone->Freeze(options)->Forward(images, /*want_before_last=*/true);
  EXPECT_TRUE(torch::equal(backbone->Forward(images).last, before));
}

TEST(FrozenBackboneTest, KnowsTheSizeOfItsWeights) {
  const auto backbone = MakeBackbone("resnet18", 3);
  const auto frozen = backbone->Freeze(FrozenOptions());
  uint64_t convolutions = 0, channels = 0;
  for (const auto& parameter : backbone->named_parameters()) {
    if (parameter.value().dim() == 4) {
      convolutions += static_cast<uint64_t>(parameter.value().numel());
      channels += static_cast<uint64_t>(parameter.value().size(0));
    }
  }
  EXPECT_EQ(frozen->bytes(), 4 * (convolutions + channels));
}

TEST(FoldBatchNormTest, IsTheFormulaByHand) {
  torch::nn::Conv2d convolution(torch::nn::Conv2dOptions(1, 1, 1).bias(false));
  torch::nn::BatchNorm2d norm(torch::nn::BatchNorm2dOptions(1).eps(0.25));
  const torch::NoGradGuard no_grad;
  convolution->weight.fill_(3);
  norm->weight.fill_(2);
  norm->bias.fill_(5);
  norm->running_mean.fill_(7);
  norm->running_var.fill_(0.75);
  // The norm divides by sqrt(0.75 + 0.25) = 1.
  const FoldedConvolution folded = FoldBatchNorm(convolution, norm);
  EXPECT_FLOAT_EQ(folded.weight.item<float>(), 6);
  EXPECT_FLOAT_EQ(folded.bias.item<float>(), 5 - 7 * 2);
}

TEST(FoldBatchNormTest, ChannelThatNeverVariedStaysFinite) {
  torch::nn::Conv2d convolution(torch::nn::Conv2dOptions(2, 3, 3).bias(false));
  torch::nn::BatchNorm2d norm(3);
  const torch::NoGradGuard no_grad;
  norm->running_var.fill_(0);
  const FoldedConvolution folded = FoldBatchNorm(convolution, norm);
  EXPECT_TRUE(folded.weight.isfinite().all().item<bool>());
  EXPECT_TRUE(folded.bias.isfinite().all().item<bool>());
}

TEST(TensorLayoutTest, NamesRoundTrip) {
  for (TensorLayout layout :
       {TensorLayout::kContiguous, TensorLayout::kChannelsLast, TensorLayout::kOneDnn}) {
    EXPECT_EQ(LayoutOf(NameOf(layout)), layout);
  }
  EXPECT_EQ(LayoutOf("auto"), std::nullopt);
}

}  // namespace
}  // namespace s2p
