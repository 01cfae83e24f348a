// Vision transformers and ConvNeXt against the programs that published them.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "model/backbone/architecture.h"
#include "model/backbone/backbone.h"
#include "model/backbone/vision_transformer.h"
#include "model/backbone_weights.h"
#include "tests/model/backbone/golden_keys.h"
#include "tests/model/backbone/published_names.h"
#include "tests/model/golden_weights.h"
#include "tests/model/small_network.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::ExpectClose;
using test::FillAsPublished;
using test::GoldenInputTensor;
using test::GoldenTensor;
using test::IsOk;
using test::Publisher;

constexpr char kFile[] = "vit.safetensors";

struct Reference {
  // The name in the file, and ours.
  const char* name;
  const char* arch;
  Publisher publisher;
  // Sizes of the inputs: two images of the first, one of the second.
  std::vector<int64_t> large, small;
};

const Reference kReferences[] = {
    {"clip_vit_b_32", "clip_vit_b_32", Publisher::kClip, {224, 224}, {160, 192}},
    {"clip_vit_b_16", "clip_vit_b_16", Publisher::kClip, {224, 224}, {160, 192}},
    {"dinov2_vits14", "dinov2_vits14", Publisher::kOwn, {224, 224}, {154, 182}},
    {"dinov2_vits14_reg", "dinov2_vits14_reg", Publisher::kOwn, {224, 224}, {154, 182}},
    {"dinov2_vitb14", "dinov2_vitb14", Publisher::kOwn, {224, 224}, {154, 182}},
    {"torchvision_vit_b_16", "vit_b_16", Publisher::kTorchvision, {224, 224}, {160, 160}},
    {"siglip_vit_b_16", "siglip_vit_b_16", Publisher::kOwn, {224, 224}, {160, 192}},
    {"convnext_tiny", "convnext_tiny", Publisher::kOwn, {224, 224}, {160, 192}},
};

class ModernGoldenTest : public testing::TestWithParam<Reference> {
 protected:
  std::shared_ptr<Backbone> Filled(int last_stage = 4) {
    v1::Backbone spec;
    spec.set_arch(GetParam().arch);
    spec.set_last_stage(last_stage);
    auto backbone = CreateBackbone(spec);
    EXPECT_THAT(backbone, IsOk());
    return Fill(*std::move(backbone));
  }
  // The architecture with a change to its description.
  template <typename Change>
  std::shared_ptr<Backbone> FilledWith(const Change& change) {
    auto description =
        std::get<v1::VisionTransformer>(FindArchitecture(GetParam().arch, {})->layout);
    change(description);
    return Fill(CreateVisionTransformer(description, 4));
  }
  std::shared_ptr<Backbone> Fill(std::shared_ptr<Backbone> backbone) {
    FillAsPublished(GetParam().publisher, *backbone);
    backbone->eval();
    return backbone;
  }
  static torch::Tensor Input(int64_t count, const std::vector<int64_t>& size) {
    const std::vector<int64_t> shape = {count, 3, size[0], size[1]};
    return GoldenInputTensor(absl::StrCat("input_", absl::StrJoin(shape, "x")), shape);
  }
  static std::string Suffix(const torch::Tensor& got) {
    return got.scalar_type() == torch::kFloat64 ? ".f64" : "";
  }
  // The names of tensors of the file in which `got` has its type.
  void ExpectGolden(const torch::Tensor& got, const std::vector<int64_t>& size,
                    const std::string& name) {
    const std::string full =
        absl::StrCat(GetParam().name, ".", absl::StrJoin(size, "x"), ".", name, Suffix(got));
    ASSERT_EQ(golden_.count(full), 1u) << full;
    const torch::Tensor want = ToTorch(golden_.at(full));
    // The file may have every i-th channel only.
    const int64_t step = got.size(-1) / want.size(-1);
    const bool exact = got.scalar_type() == torch::kFloat64;
    ExpectClose(got.slice(-1, 0, got.size(-1), step), want, exact ? 1e-10 : 1e-4,
                exact ? 1e-13 : 1e-8, full, kFile);
  }
  void ExpectMaps(const FeatureMaps& maps, const std::vector<int64_t>& size) {
    ExpectGolden(maps.summary, size, "embedding");
    ExpectGolden(torch::adaptive_avg_pool2d(maps.last, {4, 4}).permute({0, 2, 3, 1}), size, "grid");
    if (std::string(GetParam().arch) == "convnext_tiny") {
      ExpectGolden(maps.before_last.mean({2, 3}), size, "stage2");
      ExpectGolden(maps.last.mean({2, 3}), size, "stage3");
    } else {
      ExpectGolden(maps.last.mean({2, 3}), size, "patch_mean");
    }
  }
  // The logits of the classifier that the reference program has on the summary.
  torch::Tensor Logits(const torch::Tensor& summary, const std::string& head) {
    const torch::Tensor weight =
        GoldenTensor(head + ".weight", torch::empty({1000, summary.size(1)}));
    const torch::Tensor bias = GoldenTensor(head + ".bias", torch::empty({1000}));
    return (torch::matmul(summary, weight.to(summary.scalar_type()).t()) +
            bias.to(summary.scalar_type()))
        .slice(1, 0, 16);
  }

  const torch::NoGradGuard no_grad_;
  TensorMap golden_;
};

#define S2P_READ_GOLDEN_OR_SKIP()            \
  S2P_GOLDEN_OR_SKIP(path, kFile);           \
  const auto golden = ReadSafetensors(path); \
  ASSERT_THAT(golden, IsOk());               \
  golden_ = *golden

TEST_P(ModernGoldenTest, KeysMapsAndSummaryAreTheReferenceProgramsInFloat32) {
  S2P_READ_GOLDEN_OR_SKIP();
  S2P_GOLDEN_OR_SKIP(keys, absl::StrCat("keys_", GetParam().name, ".txt"));
  const auto network = Filled();
  test::ExpectKeys(keys, test::PublishedTensors(GetParam().publisher, *network));
  ExpectMaps(network->Forward(Input(2, GetParam().large)), GetParam().large);
  ExpectMaps(network->Forward(Input(1, GetParam().small)), GetParam().small);
}

TEST_P(ModernGoldenTest, MapsAndSummaryAreTheReferenceProgramsInFloat64) {
  S2P_READ_GOLDEN_OR_SKIP();
  const auto network = Filled();
  network->to(torch::kFloat64);
  const torch::Tensor input = Input(1, GetParam().small).to(torch::kFloat64);
  const FeatureMaps maps = network->Forward(input);
  ExpectMaps(maps, GetParam().small);
  const std::string name = GetParam().name;
  if (name == "torchvision_vit_b_16") {
    ExpectGolden(Logits(maps.summary, "heads.head"), GetParam().small, "logits");
  } else if (name == "convnext_tiny") {
    ExpectGolden(Logits(maps.summary, "head"), GetParam().small, "logits");
  }
}

// A file with the published names, loaded into networks of another start.
TEST_P(ModernGoldenTest, PublishedFileLoadsIntoTheNetwork) {
  const auto want = Filled();
  TensorMap file;
  for (const auto& [name, tensor] : test::PublishedTensors(GetParam().publisher, *want)) {
    const bool in_visual_tower = GetParam().publisher == Publisher::kClip;
    file[absl::StrCat(in_visual_tower ? "visual." : "", name)] = ToTensorBytes(tensor);
  }
  v1::CheckpointManifest manifest = test::NetworkManifest();
  manifest.mutable_backbone()->set_arch(GetParam().arch);
  manifest.mutable_backbone()->set_last_stage(4);
  manifest.mutable_backbone()->set_shared(true);
  for (v1::Preprocessing* steps : {manifest.mutable_photo(), manifest.mutable_sketch()}) {
    steps->set_height(224);
    steps->set_width(224);
  }
  const auto encoder = test::CreateNetwork(manifest, 1);
  ASSERT_THAT(LoadBackboneWeights(std::move(file), LaterStages::kRefuse, *encoder), IsOk());
  const auto loaded = NamedTensors(encoder->photo_backbone());
  for (const auto& [name, tensor] : NamedTensors(*want)) {
    EXPECT_TRUE(torch::equal(loaded.at(name), tensor)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, ModernGoldenTest, testing::ValuesIn(kReferences),
                         [](const auto& test) { return std::string(test.param.name); });

Reference Named(const std::string& name) {
  for (const Reference& reference : kReferences) {
    if (name == reference.name) return reference;
  }
  return {};
}

// The other networks have a class token after these blocks in the file, which no map shows.
class StageTwoGoldenTest : public ModernGoldenTest {};

TEST_P(StageTwoGoldenTest, IsTheReferencePrograms) {
  S2P_READ_GOLDEN_OR_SKIP();
  const FeatureMaps maps = Filled(3)->Forward(Input(1, GetParam().small));
  if (std::string(GetParam().name) == "convnext_tiny") {
    ExpectGolden(maps.before_last.mean({2, 3}), GetParam().small, "stage1");
  } else {
    ExpectGolden(maps.before_last.select(2, 0).select(2, 0), GetParam().small, "mid");
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, StageTwoGoldenTest,
                         testing::Values(Named("convnext_tiny"), Named("siglip_vit_b_16")),
                         [](const auto& test) { return std::string(test.param.name); });

// GELU instead of the named network's approximation of it.
class GeluGoldenTest : public ModernGoldenTest {};

TEST_P(GeluGoldenTest, IsTheReferencePrograms) {
  S2P_READ_GOLDEN_OR_SKIP();
  const auto network =
      FilledWith([](v1::VisionTransformer& t) { t.set_activation(v1::ACTIVATION_GELU); });
  ExpectGolden(network->Forward(Input(2, GetParam().large)).summary, GetParam().large,
               GetParam().publisher == Publisher::kClip ? "embedding_gelu" : "embedding_erf");
}

INSTANTIATE_TEST_SUITE_P(Golden, GeluGoldenTest,
                         testing::Values(Named("clip_vit_b_32"), Named("siglip_vit_b_16")),
                         [](const auto& test) { return std::string(test.param.name); });

class ClassTokenGoldenTest : public ModernGoldenTest {};

TEST_P(ClassTokenGoldenTest, IsTheSummaryWithoutAProjection) {
  S2P_READ_GOLDEN_OR_SKIP();
  const auto network = FilledWith([](v1::VisionTransformer& t) { t.set_projection(0); });
  ExpectGolden(network->Forward(Input(1, GetParam().small)).summary, GetParam().small, "pre_proj");
}

INSTANTIATE_TEST_SUITE_P(Golden, ClassTokenGoldenTest, testing::Values(Named("clip_vit_b_32")),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace s2p
