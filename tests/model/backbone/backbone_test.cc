#include "model/backbone/backbone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "model/torch_tensors.h"
#include "tests/model/backbone/golden_keys.h"
#include "tests/model/golden_weights.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::ExpectClose;
using test::GoldenInputTensor;
using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

v1::Backbone Spec(const std::string& arch, uint32_t last_stage = 4, uint32_t last_stride = 1) {
  v1::Backbone spec;
  spec.set_arch(arch);
  spec.set_last_stage(last_stage);
  spec.set_last_stride(last_stride);
  return spec;
}

std::shared_ptr<Backbone> Create(const v1::Backbone& spec) {
  auto backbone = CreateBackbone(spec);
  EXPECT_THAT(backbone, IsOk());
  return *std::move(backbone);
}

int64_t CountParameters(const Backbone& backbone) {
  int64_t count = 0;
  for (const torch::Tensor& parameter : backbone.parameters()) count += parameter.numel();
  return count;
}

class BackboneGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  std::shared_ptr<Backbone> Filled() {
    auto backbone = Create(Spec(GetParam()));
    test::FillModule(*backbone);
    backbone->eval();
    return backbone;
  }
  // Compares both stages for the input of this size; `suffix` is ".f64" for the exact values.
  void Compare(Backbone& backbone, const TensorMap& golden, const std::string& size,
               const torch::Tensor& input, const std::string& suffix, double relative,
               double absolute) {
    torch::NoGradGuard no_grad;
    const FeatureMaps maps = backbone.Forward(input);
    const std::pair<const char*, torch::Tensor> stages[] = {{"layer3", maps.before_last},
                                                            {"layer4", maps.last}};
    for (const auto& [layer, map] : stages) {
      const std::string name = GetParam() + "." + size + "." + layer + suffix;
      ASSERT_EQ(golden.count(name), 1u) << name;
      ExpectClose(map.mean({2, 3}), ToTorch(golden.at(name)), relative, absolute, name,
                  "backbone.safetensors");
    }
  }
};

TEST_P(BackboneGoldenTest, KeysShapesAndSumsAreThoseOfPublishedWeights) {
  S2P_GOLDEN_OR_SKIP(path, "keys_" + GetParam() + ".txt");
  test::ExpectKeys(path, NamedTensors(*Filled()));
}

TEST_P(BackboneGoldenTest, FeaturesAreTheReferenceProgramsInFloat32) {
  S2P_GOLDEN_OR_SKIP(path, "backbone.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  const auto backbone = Filled();
  Compare(*backbone, *golden, "96x96", GoldenInputTensor("input_2x3x96x96", {2, 3, 96, 96}), "",
          1e-4, 1e-8);
  Compare(*backbone, *golden, "128x64", GoldenInputTensor("input_2x3x128x64", {2, 3, 128, 64}), "",
          1e-4, 1e-8);
}

TEST_P(BackboneGoldenTest, FeaturesAreTheReferenceProgramsInFloat64) {
  S2P_GOLDEN_OR_SKIP(path, "backbone.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  const auto backbone = Filled();
  backbone->to(torch::kFloat64);
  const torch::Tensor input = GoldenInputTensor("input_2x3x128x64", {2, 3, 128, 64});
  Compare(*backbone, *golden, "128x64", input.to(torch::kFloat64), ".f64", 1e-10, 1e-13);
}

INSTANTIATE_TEST_SUITE_P(Golden, BackboneGoldenTest,
                         testing::Values("resnet18", "resnet50", "se_resnext50_32x4d"),
                         [](const auto& arch) { return arch.param; });

TEST(GoldenRuleTest, InputsStartAsInTheGoldenFile) {
  S2P_GOLDEN_OR_SKIP(path, "backbone.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  for (const char* name : {"input_2x3x96x96", "input_2x3x128x64"}) {
    const torch::Tensor want = ToTorch(golden->at(std::string(name) + ".head"));
    EXPECT_TRUE(GoldenInputTensor(name, {16}).equal(want)) << name;
  }
}

// Published parameter counts, without the classifier.
TEST(BackboneTest, ParameterCountsAreThePublishedOnes) {
  EXPECT_EQ(CountParameters(*Create(Spec("resnet18"))), 11'176'512);
  EXPECT_EQ(CountParameters(*Create(Spec("resnet34"))), 21'284'672);
  EXPECT_EQ(CountParameters(*Create(Spec("resnet50"))), 23'508'032);
  EXPECT_EQ(CountParameters(*Create(Spec("resnet50_caffe"))), 23'508'032);
  // The published number, less a classifier of 1000 classes.
  EXPECT_EQ(CountParameters(*Create(Spec("convnext_tiny"))), 28'589'128 - 769'000);
}

// One of the reference's convolutions and norms: relu follows in all but the last.
torch::Tensor ConvolveAndNormalise(const torch::Tensor& x,
                                   const std::map<std::string, torch::Tensor>& tensors,
                                   const std::string& conv, const std::string& norm, int64_t stride,
                                   int64_t padding) {
  const torch::Tensor y = torch::conv2d(x, tensors.at(conv + ".weight"), {}, stride, padding);
  return torch::batch_norm(y, tensors.at(norm + ".weight"), tensors.at(norm + ".bias"),
                           tensors.at(norm + ".running_mean"), tensors.at(norm + ".running_var"),
                           /*training=*/false, 0, 1e-5, false);
}

// Caffe's ResNet-50 to stage 4, as its prototxt lists the layers.
torch::Tensor CaffeResNet50(const std::map<std::string, torch::Tensor>& tensors,
                            const torch::Tensor& images) {
  torch::Tensor x = ConvolveAndNormalise(images, tensors, "conv1", "bn1", 2, 3).relu();
  x = torch::max_pool2d(x, 3, 2, 0, 1, /*ceil_mode=*/true);
  const int blocks[] = {3, 4, 6, 3};
  for (int s = 1; s <= 4; ++s) {
    for (int b = 0; b < blocks[s - 1]; ++b) {
      const std::string block = "layer" + std::to_string(s) + "." + std::to_string(b) + ".";
      const int64_t stride = s > 1 && b == 0 ? 2 : 1;
      torch::Tensor y =
          ConvolveAndNormalise(x, tensors, block + "conv1", block + "bn1", stride, 0).relu();
      y = ConvolveAndNormalise(y, tensors, block + "conv2", block + "bn2", 1, 1).relu();
      y = ConvolveAndNormalise(y, tensors, block + "conv3", block + "bn3", 1, 0);
      if (b == 0) {
        x = ConvolveAndNormalise(x, tensors, block + "downsample.0", block + "downsample.1", stride,
                                 0);
      }
      x = (x + y).relu();
    }
  }
  return x;
}

TEST(CaffeResNetTest, IsThePlainListOfLayers) {
  const torch::NoGradGuard no_grad;
  const auto backbone = Create(Spec("resnet50_caffe", 4, 2));
  test::FillModule(*backbone);
  backbone->eval();
  backbone->to(torch::kFloat64);
  const torch::Tensor images = GoldenInputTensor("caffe", {1, 3, 67, 96}).to(torch::kFloat64);
  ExpectClose(backbone->Forward(images).last, CaffeResNet50(NamedTensors(*backbone), images), 1e-12,
              0, "layer4");
}

TEST(CaffeResNetTest, PoolRoundsUpAndTheFirstConvolutionHasTheStride) {
  const torch::NoGradGuard no_grad;
  const auto backbone = Create(Spec("resnet50_caffe", 3));
  backbone->eval();
  // 67 -> 34 -> ceil((34 - 3) / 2) + 1 = 17 -> 9 -> 5; with padding, 34 would give 17, too, and 66
  // gives 33 -> 16 here, but 17 with padding.
  EXPECT_EQ(backbone->Forward(torch::zeros({1, 3, 67, 66})).last.sizes(),
            (std::vector<int64_t>{1, 1024, 5, 4}));
}

class BackboneShapeTest : public testing::Test {
 protected:
  FeatureMaps Forward(const v1::Backbone& spec) {
    torch::NoGradGuard no_grad;
    const auto backbone = Create(spec);
    backbone->eval();
    const FeatureMaps maps = backbone->Forward(torch::zeros({1, 3, 64, 96}));
    EXPECT_FALSE(maps.summary.defined());
    EXPECT_EQ(maps.last.size(1), backbone->channels());
    return maps;
  }
};

TEST_F(BackboneShapeTest, StrideOfOneKeepsTheSizeOfTheLastMap) {
  const FeatureMaps maps = Forward(Spec("resnet34", 4, 1));
  EXPECT_EQ(maps.before_last.sizes(), (std::vector<int64_t>{1, 256, 4, 6}));
  EXPECT_EQ(maps.last.sizes(), (std::vector<int64_t>{1, 512, 4, 6}));
}

TEST_F(BackboneShapeTest, StrideOfTwoHalvesIt) {
  EXPECT_EQ(Forward(Spec("resnet18", 4, 2)).last.sizes(), (std::vector<int64_t>{1, 512, 2, 3}));
}

TEST_F(BackboneShapeTest, NetworkMayEndAfterStageThree) {
  const FeatureMaps maps = Forward(Spec("resnet18", 3));
  EXPECT_EQ(maps.last.sizes(), (std::vector<int64_t>{1, 256, 4, 6}));
  EXPECT_EQ(maps.before_last.sizes(), (std::vector<int64_t>{1, 128, 8, 12}));
  for (const auto& [name, tensor] : NamedTensors(*Create(Spec("resnet18", 3)))) {
    EXPECT_FALSE(absl::StartsWith(name, "layer4.")) << name;
  }
}

TEST(BackboneTest, StrideIsIgnoredWithoutStageFour) {
  EXPECT_THAT(CreateBackbone(Spec("resnet18", 3, 0)), IsOk());
}

TEST(BackboneTest, StagesAreTheStemAndEachStageInOrder) {
  const auto backbone = Create(Spec("resnet18", 3));
  const auto stages = backbone->Stages();
  ASSERT_EQ(stages.size(), 4u);
  size_t parameters = 0;
  for (const auto& stage : stages) parameters += stage->parameters().size();
  EXPECT_EQ(parameters, backbone->parameters().size());
  EXPECT_EQ(stages[0]->parameters()[0].sizes(), (std::vector<int64_t>{64, 3, 7, 7}));
}

TEST(BackboneTest, ConvolutionsStartHeNormalOverTheirOutputs) {
  const auto backbone = Create(Spec("resnet50", 3));
  const torch::Tensor weight = NamedTensors(*backbone).at("layer3.0.conv2.weight");
  // [256, 256, 3, 3]: 2 / (256 * 9); the mean of 589,824 squares is within a few per mille of it.
  EXPECT_NEAR(weight.pow(2).mean().item<double>() * 256 * 9 / 2, 1, 0.02);
  EXPECT_NEAR(weight.mean().item<double>(), 0, 0.001);
}

TEST(BackboneTest, BadSpecsAreInvalidArgumentNamingTheField) {
  const std::pair<v1::Backbone, const char*> bad[] = {
      {Spec("vgg16"), "backbone.arch: 'vgg16'"},
      {Spec("resnet18", 2), "backbone.last_stage: 2"},
      {Spec("resnet18", 0xFFFFFFFFu), "backbone.last_stage: 4294967295"},
      {Spec("resnet18", 4, 0), "backbone.last_stride: 0"},
      {Spec("resnet18", 4, 3), "backbone.last_stride: 3"}};
  for (const auto& [spec, field] : bad) {
    const absl::Status status = CreateBackbone(spec).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field))) << field;
  }
}

}  // namespace
}  // namespace s2p
