#include "model/weights/weight_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/model/weights/published_weights.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class WeightSchemeTest : public testing::TestWithParam<Scheme> {};

TEST_P(WeightSchemeTest, EveryTensorHasItsCanonicalNameShapeAndValues) {
  const auto weights = NamedWeights::Create(GetParam().file());
  ASSERT_THAT(weights, IsOk());
  const TensorMap want = Filled(GetParam().canonical);
  std::set<std::string> got_names, want_names;
  for (const auto& [name, tensor] : weights->tensors()) got_names.insert(name);
  for (const auto& [name, tensor] : want) want_names.insert(name);
  ASSERT_EQ(got_names, want_names);
  for (const auto& [name, tensor] : want) {
    const TensorBytes& got = weights->tensors().at(name);
    EXPECT_EQ(got.type, tensor.type) << name;
    EXPECT_EQ(got.shape, tensor.shape) << name;
    EXPECT_TRUE(got.bytes == tensor.bytes) << name;
  }
}

TEST_P(WeightSchemeTest, EmptyTensorIsRefused) {
  TensorMap file = GetParam().file();
  const auto whole = NamedWeights::Create(file);
  ASSERT_THAT(whole, IsOk());
  const std::string published = whole->PublishedName(whole->tensors().begin()->first);
  const std::vector<std::string> names = absl::StrSplit(published, ", ");
  // No bytes, however large its other dimension is.
  file.at(names[0]) = {TensorType::kU8, {0, int64_t{1} << 60}, ""};
  EXPECT_THAT(NamedWeights::Create(file),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(names[0]), HasSubstr("it is empty"))));
}

TEST_P(WeightSchemeTest, MissingTensorIsCalledAsTheFileWouldCallIt) {
  const TensorMap file = GetParam().file();
  const auto whole = NamedWeights::Create(file);
  ASSERT_THAT(whole, IsOk());
  int compared = 0;
  for (const auto& [canonical, tensor] : whole->tensors()) {
    if (!absl::StartsWith(canonical, "blocks.1.") && !absl::StartsWith(canonical, "stages.2.")) {
      continue;
    }
    const std::string published = whole->PublishedName(canonical);
    TensorMap without = file;
    for (const absl::string_view name : absl::StrSplit(published, ", ")) {
      EXPECT_EQ(without.erase(std::string(name)), 1u) << canonical << ": " << name;
    }
    const auto rest = NamedWeights::Create(without);
    ASSERT_THAT(rest, IsOk());
    EXPECT_EQ(rest->tensors().count(canonical), 0u);
    EXPECT_EQ(rest->PublishedName(canonical), published);
    ++compared;
  }
  EXPECT_GE(compared, 12);
}

INSTANTIATE_TEST_SUITE_P(Published, WeightSchemeTest, testing::ValuesIn(Schemes()),
                         [](const auto& scheme) { return scheme.param.name; });

// A network without classes leaves such a tensor.
TEST(WeightNamesTest, EmptyTensorThatIsNotUsedIsDropped) {
  TensorMap file = With({}, {"conv1.weight", "layer1.0.conv1.weight"});
  file["fc.weight"] = {TensorType::kF32, {0, 2048}, ""};
  EXPECT_THAT(NamedWeights::Create(file), IsOk());
}

TEST(WeightNamesTest, EmptyBiasOfClipsHeadIsDropped) {
  TensorMap file = TimmClip("");
  file.at("head.bias") = {TensorType::kF32, {0}, ""};
  const auto weights = NamedWeights::Create(file);
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->tensors().count("head.bias"), 0u);
}

// The class token of timm's file has its position already.
TEST(WeightNamesTest, PositionOfTheClassTokenIsZeroForTimmsRegisters) {
  const auto weights = NamedWeights::Create(TimmRegisters());
  ASSERT_THAT(weights, IsOk());
  TensorMap want = Filled(VisionTransformer(kDinov2Registers, kSmall));
  want.at("pos_embed").bytes.replace(0, 24, std::string(24, '\0'));
  EXPECT_TRUE(SerializeSafetensors(weights->tensors()) == SerializeSafetensors(want));
}

TEST(WeightNamesTest, HalvesAreTransposedWhole) {
  TensorMap file = OpenAi("");
  file.at("proj") = {TensorType::kF16, {2, 3}, "aAbBcCdDeEfF"};
  const auto weights = NamedWeights::Create(file);
  ASSERT_THAT(weights, IsOk());
  const TensorBytes& head = weights->tensors().at("head.weight");
  EXPECT_EQ(head.type, TensorType::kF16);
  EXPECT_EQ(head.shape, (Shape{3, 2}));
  EXPECT_EQ(head.bytes, "aAdDbBeEcCfF");
}

TEST(WeightNamesTest, ResNetsKeepTheirNames) {
  const TensorMap file = With({}, {"module.base.conv1.weight", "module.base.layer1.0.conv1.weight",
                                   "module.base.fc.weight", "last_linear.bias"});
  const auto weights = NamedWeights::Create(file);
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->tensors().size(), 2u);
  EXPECT_EQ(weights->PublishedName("conv1.weight"), "module.base.conv1.weight");
  EXPECT_EQ(weights->PublishedName("bn1.weight"), "module.base.bn1.weight");
}

// The message of the error.
std::string Refusal(const TensorMap& file) {
  const auto weights = NamedWeights::Create(file);
  EXPECT_THAT(weights, StatusIs(absl::StatusCode::kInvalidArgument));
  return std::string(weights.status().message());
}

TEST(WeightNamesTest, UnknownSchemeListsTheKnownOnesAndNamesOfTheFile) {
  EXPECT_THAT(Refusal(With({}, {"a", "b", "c", "d", "e", "f"})),
              AllOf(HasSubstr("CLIP of OpenAI"), HasSubstr("ConvNeXt of timm"), HasSubstr("ResNet"),
                    HasSubstr("the file has 'a', 'b', 'c', 'd', 'e', ...")));
  EXPECT_THAT(Refusal({}), HasSubstr("the file has no tensors"));
}

TEST(WeightNamesTest, NamesInMessagesArePrintable) {
  EXPECT_THAT(Refusal(With({}, {"a\nb"})), HasSubstr("the file has 'a\\nb'"));
  EXPECT_THAT(Refusal(With(OpenAi(""), {"a\nb"})), HasSubstr("tensor 'a\\nb': "));
}

TEST(WeightNamesTest, MissingThirdIsNamed) {
  for (const std::string third : {"q_proj", "k_proj", "v_proj"}) {
    TensorMap file = HuggingFaceClip();
    file.erase(absl::StrCat("vision_model.encoder.layers.1.self_attn.", third, ".bias"));
    EXPECT_THAT(Refusal(file),
                AllOf(HasSubstr("one of the three is missing"),
                      HasSubstr(absl::StrCat("layers.1.self_attn.", third, ".bias"))));
  }
}

TEST(WeightNamesTest, ThirdsOfDifferentShapeOrTypeAreNamed) {
  const std::string key = "vision_model.encoder.layers.0.self_attn.k_proj.bias";
  TensorMap file = HuggingFaceClip();
  file.at(key).shape = {3, 2};
  EXPECT_THAT(Refusal(file), AllOf(HasSubstr("tensor '" + key + "': F32 [3, 2], but '"),
                                   HasSubstr("q_proj.bias' is F32 [6]")));
  file = HuggingFaceClip();
  file.at(key) = {TensorType::kF16, {6}, std::string(12, 'x')};
  EXPECT_THAT(Refusal(file), HasSubstr("tensor '" + key + "': F16 [6], but '"));
}

TEST(WeightNamesTest, ThirdsWithoutRowsAreRefused) {
  TensorMap file = HuggingFaceClip();
  for (const char* third : {"q_proj", "k_proj", "v_proj"}) {
    file.at(absl::StrCat("vision_model.encoder.layers.0.self_attn.", third, ".bias")) = {
        TensorType::kF32, {}, "abcd"};
  }
  EXPECT_THAT(Refusal(file), HasSubstr("q_proj.bias': F32 []"));
}

struct WrongShape {
  std::string name;
  Shape shape;
};

TEST(WeightNamesTest, ShapesThatCannotBeChangedAreNamed) {
  const WrongShape of_clip[] = {{"class_embedding", {}},
                                {"class_embedding", {1, 1, 1, 6}},
                                {"positional_embedding", {5, 2, 3}},
                                {"proj", {30}},
                                {"proj", {6, 5, 1}}};
  for (const auto& [name, shape] : of_clip) {
    TensorMap file = OpenAi("");
    file.at(name) = {TensorType::kF32, shape, std::string(CountOf(shape) * 4, 'x')};
    EXPECT_THAT(Refusal(file), HasSubstr("tensor '" + name + "': F32 ["));
  }
  TensorMap siglip = HuggingFaceSiglip();
  siglip.at("vision_model.head.attention.in_proj_bias").shape = {9, 2};
  EXPECT_THAT(NamedWeights::Create(siglip), IsOk());
  siglip.at("vision_model.head.attention.in_proj_bias") = {
      TensorType::kF32, {7}, std::string(28, 'x')};
  EXPECT_THAT(Refusal(siglip), HasSubstr("in_proj_bias': F32 [7], but"));
  TensorMap convnext = TorchvisionConvNext();
  convnext.at("features.1.0.layer_scale").shape = {1, 2, 1};
  EXPECT_THAT(Refusal(convnext), HasSubstr("features.1.0.layer_scale': F32 [1, 2, 1], but"));
}

TEST(WeightNamesTest, NameThatTheSchemeLacksIsNamedAsWritten) {
  EXPECT_THAT(Refusal(With(OpenAi("module.visual."), {"module.visual.attn_pool.query"})),
              AllOf(HasSubstr("tensor 'module.visual.attn_pool.query'"),
                    HasSubstr("CLIP of OpenAI and open_clip has none of this name")));
}

TEST(WeightNamesTest, TwoNamesForOnePlaceAreRefused) {
  TensorMap file = OpenAi("");
  file["module.proj"] = file.at("proj");
  EXPECT_THAT(Refusal(file), HasSubstr("appears twice, also as '"));
  file = HuggingFaceClip();
  const std::string query = "vision_model.encoder.layers.0.self_attn.q_proj.bias";
  file["module." + query] = file.at(query);
  EXPECT_THAT(Refusal(file), HasSubstr("appears twice, also as '"));
}

TEST(WeightNamesTest, ClassifierInThePlaceOfClipsProjectionIsRefused) {
  TensorMap file = TimmClip("");
  file.at("head.bias").bytes[7] = 1;
  EXPECT_THAT(Refusal(file), HasSubstr("tensor 'head.bias': is not 0"));
}

TEST(WeightNamesTest, PatternsMatchWholeNames) {
  EXPECT_EQ(Rewritten("blocks.12.ln.weight", "blocks.#.ln.*", "b.#.*"), "b.12.weight");
  EXPECT_EQ(Rewritten("a.1.b.2", "a.#.b.#", "#-#"), "1-2");
  for (const char* name : {"", "blocks", "blocks..ln.w", "blocks.x.ln.w", "blocks.1.ln.",
                           "blocks.1.lnx.w", "xblocks.1.ln.w"}) {
    EXPECT_EQ(Rewritten(name, "blocks.#.ln.*", "b.#.*"), std::nullopt) << name;
  }
  EXPECT_EQ(Rewritten("proj.more", "proj", "p"), std::nullopt);
}

// The keys and shapes of a network as its own program prints them, with bytes that say nothing.
TensorMap Keys(const std::string& path, const std::string& prefix) {
  std::ifstream file(path);
  TensorMap tensors;
  std::string line;
  while (std::getline(file, line)) {
    if (absl::StartsWith(line, "#")) continue;
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    TensorBytes& tensor = tensors[prefix + fields[0]];
    tensor.type = TensorType::kU8;
    if (fields[2] != "scalar") {
      for (const absl::string_view side : absl::StrSplit(fields[2], 'x')) {
        tensor.shape.push_back(std::stoll(std::string(side)));
      }
    }
    tensor.bytes.resize(CountOf(tensor.shape));
  }
  return tensors;
}

struct KeysFile {
  std::string name;
  std::string prefix;
  Shapes canonical;
};

std::vector<KeysFile> KeysFiles() {
  Parts registers = kDinov2Registers;
  registers.registers = 4;
  return {
      {"clip_small", "visual.", VisionTransformer(kClip, {64, 2, 8, 16, 32})},
      {"clip_vit_b_32", "visual.", VisionTransformer(kClip, {768, 12, 32, 49, 512})},
      {"clip_vit_b_16", "module.visual.", VisionTransformer(kClip, {768, 12, 16, 196, 512})},
      {"dinov2_small", "", VisionTransformer(kDinov2Registers, {64, 2, 14, 16, 0})},
      {"dinov2_vits14", "", VisionTransformer(kDinov2, {384, 12, 14, 1369, 0})},
      {"dinov2_vits14_reg", "", VisionTransformer(registers, {384, 12, 14, 1369, 0})},
      {"dinov2_vitb14", "", VisionTransformer(kDinov2, {768, 12, 14, 1369, 0})},
      {"torchvision_vit_b_16", "", VisionTransformer(kPlain, {768, 12, 16, 196, 0})},
      {"siglip_small", "", VisionTransformer(kSiglip, {64, 2, 8, 16, 0})},
      {"siglip_vit_b_16", "visual.trunk.", VisionTransformer(kSiglip, {768, 12, 16, 196, 0})},
      {"convnext_small", "model.", ConvNext({1, 1, 2, 1}, {16, 32, 48, 64})},
      {"convnext_tiny", "", ConvNext({3, 3, 9, 3}, {96, 192, 384, 768})},
  };
}

class PublishedKeysTest : public testing::TestWithParam<KeysFile> {};

TEST_P(PublishedKeysTest, AllHaveTheirPlaceAndShape) {
  S2P_GOLDEN_OR_SKIP(path, absl::StrCat("keys_", GetParam().name, ".txt"));
  const auto weights = NamedWeights::Create(Keys(path, GetParam().prefix));
  ASSERT_THAT(weights, IsOk());
  Shapes got;
  for (const auto& [name, tensor] : weights->tensors()) got[name] = tensor.shape;
  EXPECT_EQ(got, GetParam().canonical);
}

INSTANTIATE_TEST_SUITE_P(Golden, PublishedKeysTest, testing::ValuesIn(KeysFiles()),
                         [](const auto& scheme) { return scheme.param.name; });

TEST(PublishedKeysTest, ResNetsLoseTheirClassifierAlone) {
  for (const std::string name : {"resnet18", "resnet50", "se_resnext50_32x4d"}) {
    S2P_GOLDEN_OR_SKIP(path, absl::StrCat("keys_", name, ".txt"));
    const auto weights = NamedWeights::Create(Keys(path, "module."));
    ASSERT_THAT(weights, IsOk());
    TensorMap want = Keys(path, "");
    for (const char* classifier :
         {"fc.weight", "fc.bias", "last_linear.weight", "last_linear.bias"}) {
      want.erase(classifier);
    }
    EXPECT_TRUE(SerializeSafetensors(weights->tensors()) == SerializeSafetensors(want)) << name;
  }
}

}  // namespace
}  // namespace s2p::test
