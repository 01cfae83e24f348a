#include "trainer/program/release_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "model/checkpoint_store.h"
#include "model/encoder.h"
#include "tests/model/golden_weights.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/golden_tensors.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

// The tensors of one of the files keys_*.txt, filled by the rule under their own names, each with
// `prefix` before it.
void AddNetwork(const std::string& keys_file, const std::string& prefix, TensorMap& weights) {
  std::ifstream file(GoldenPath(keys_file));
  std::string line;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    TensorBytes tensor;
    tensor.type = fields[1] == "I64" ? TensorType::kI64 : TensorType::kF32;
    int64_t count = 1;
    if (fields[2] != "scalar") {
      for (const absl::string_view size : absl::StrSplit(fields[2], 'x')) {
        tensor.shape.push_back(std::stoll(std::string(size)));
        count *= tensor.shape.back();
      }
    }
    tensor.bytes.resize(static_cast<size_t>(count) * SizeOf(tensor.type));
    FillByGoldenRule(fields[0], tensor);
    weights[prefix + fields[0]] = std::move(tensor);
  }
}

// A file of the release's structure; made once, because it has 50 million numbers.
const TensorMap& Released() {
  static const auto& released = *[] {
    auto* weights = new TensorMap();
    AddNetwork("keys_se_resnext50_32x4d.txt", "Embed_net_1.base.", *weights);
    AddNetwork("keys_se_resnext50_32x4d.txt", "Embed_net_2.base.", *weights);
    AddNetwork("keys_c_net_dropout.txt", "Classify_net.", *weights);
    AddNetwork("keys_attribute_net.txt", "A_net.", *weights);
    AddNetwork("keys_domain_net.txt", "D_net.", *weights);
    return weights;
  }();
  return released;
}

v1::TrainingSpec Spec(const std::string& preset) {
  auto spec = ReleaseSpec(preset);
  EXPECT_THAT(spec, IsOk());
  return *std::move(spec);
}

absl::StatusOr<TrainedModel> Import(const TensorMap& weights, const std::string& preset = "shoes") {
  return ModelOfRelease(weights, Spec(preset), {});
}

std::shared_ptr<DualEncoder> NetworkOf(const TrainedModel& model) {
  auto network = DualEncoder::Create(model.manifest);
  EXPECT_THAT(network, IsOk());
  EXPECT_THAT((*network)->SetWeights(model.weights), IsOk());
  (*network)->eval();
  return *std::move(network);
}

std::string Refusal(const TensorMap& weights) {
  const auto model = Import(weights);
  EXPECT_THAT(model, StatusIs(absl::StatusCode::kInvalidArgument));
  return std::string(model.status().message());
}

TEST(ReleaseCheckpointGoldenTest, EmbeddingsOfBothModalitiesAreTheReferencePrograms) {
  S2P_GOLDEN_OR_SKIP(path, "backbone.safetensors");
  const GoldenTensors golden(path);
  const auto model = Import(Released());
  ASSERT_THAT(model, IsOk());
  const auto network = NetworkOf(*model);
  torch::NoGradGuard no_grad;
  const torch::Tensor input = GoldenInputTensor("input_2x3x96x96", {2, 3, 96, 96});
  for (v1::Modality modality : {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH}) {
    const DualEncoderOutput output = network->Forward(input, modality);
    golden.ExpectNear(output.stage3, "se_resnext50_32x4d.96x96.layer3", 1e-4);
    golden.ExpectNear(output.embedding, "se_resnext50_32x4d.96x96.layer4", 1e-4);
  }
}

TEST(ReleaseCheckpointGoldenTest, PersonsAreComparedBehindTheReferenceProgramsNeck) {
  S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
  const GoldenTensors golden(path);
  const auto model = Import(Released(), "persons");
  ASSERT_THAT(model, IsOk());
  const auto network = NetworkOf(*model);
  torch::NoGradGuard no_grad;
  const torch::Tensor features = GoldenInputTensor("heads.feat_6x2048", {6, 2048});
  golden.ExpectNear(network->RetrievalFeature(features), "c_net.eval.feat_l2", 1e-4);
  golden.ExpectNear(network->AttributeLogits(features), "attribute_net128.eval.logits", 1e-4);
}

// From a picture to the served vector: the reference's preprocessing, then the golden networks.
TEST(ReleaseCheckpointGoldenTest, PublishedModelServesTheEmbeddingOfTheReferencesInput) {
  S2P_GOLDEN_OR_SKIP(path, "preprocess_small.safetensors");
  const GoldenTensors golden(path);
  TempDir dir;
  const auto model = Import(Released());
  ASSERT_THAT(model, IsOk());
  const CheckpointStore store(dir.path() + "/checkpoints");
  const auto version = store.Publish(model->manifest, model->weights);
  ASSERT_THAT(version, IsOk());
  const auto checkpoint = store.Read(*version);
  ASSERT_THAT(checkpoint, IsOk());
  const auto encoder = LoadEncoder(*checkpoint, {"cpu", 0});
  ASSERT_THAT(encoder, IsOk());

  const torch::Tensor pixels = golden["photo/src"].contiguous();
  Image image(static_cast<int>(pixels.size(1)), static_cast<int>(pixels.size(0)));
  for (int y = 0; y < image.height(); ++y) {
    std::copy_n(pixels[y].data_ptr<uint8_t>(), image.width() * 3, image.row(y));
  }
  const EncoderInput input{&image, v1::MODALITY_PHOTO};
  const auto served = (*encoder)->Encode({&input, 1});
  ASSERT_THAT(served, IsOk());

  torch::NoGradGuard no_grad;
  const auto network = NetworkOf(*model);
  const torch::Tensor want = network->RetrievalFeature(
      network->Forward(golden["photo/sbir_photo/tensor"].unsqueeze(0), v1::MODALITY_PHOTO)
          .embedding);
  double cosine = 0;
  for (int i = 0; i < (*encoder)->dimension(); ++i) {
    cosine += served->embeddings.row(0)[i] * want[0][i].item<double>();
  }
  EXPECT_GT(cosine, 0.9999);
}

TEST(ReleaseCheckpointTest, PrefixOfSeveralGpusAndMissingCountersAreNoMatter) {
  const auto plain = Import(Released());
  ASSERT_THAT(plain, IsOk());
  TensorMap wrapped;
  for (const auto& [name, tensor] : Released()) {
    if (absl::StrContains(name, "num_batches_tracked")) continue;
    const size_t dot = name.find('.') + 1;
    wrapped[absl::StrCat(name.substr(0, dot), "module.", name.substr(dot))] = tensor;
  }
  const auto model = Import(wrapped);
  ASSERT_THAT(model, IsOk());
  EXPECT_TRUE(SerializeSafetensors(model->weights) == SerializeSafetensors(plain->weights));
}

TEST(ReleaseCheckpointTest, SecondNetworkIsTheSketches) {
  TensorMap weights = Released();
  TensorBytes& first = weights.at("Embed_net_2.base.layer0.conv1.weight");
  first.bytes.assign(first.bytes.size(), '\0');
  const auto model = Import(weights);
  ASSERT_THAT(model, IsOk());
  EXPECT_EQ(model->weights.at("sketch_encoder.layer0.conv1.weight").bytes, first.bytes);
  EXPECT_NE(model->weights.at("photo_encoder.layer0.conv1.weight").bytes, first.bytes);
}

TEST(ReleaseCheckpointTest, DomainNetworkIsOptional) {
  TensorMap weights = Released();
  weights.erase(weights.lower_bound("D_net."), weights.lower_bound("D_net/"));
  EXPECT_THAT(Import(weights), IsOk());
}

TEST(ReleaseCheckpointTest, WhatIsMissingSurplusOrOfAnotherShapeIsNamedAsTheFileCallsIt) {
  TensorMap weights = Released();
  weights.erase("Embed_net_2.base.layer3.0.se_module.fc1.weight");
  EXPECT_THAT(Refusal(weights),
              HasSubstr("'Embed_net_2.base.layer3.0.se_module.fc1.weight': missing"));
  weights = Released();
  weights["Embed_net_1.base.layer9.weight"] = weights.at("Classify_net.bottleneck.weight");
  EXPECT_THAT(Refusal(weights),
              HasSubstr("'Embed_net_1.base.layer9.weight': the network has none"));
  weights = Released();
  weights.at("Classify_net.bottleneck.weight").shape = {1024, 2};
  EXPECT_THAT(Refusal(weights), HasSubstr("'Classify_net.bottleneck.weight': F32 [1024, 2] where"));
  weights = Released();
  weights["optimizer.state"] = weights.at("Classify_net.bottleneck.weight");
  EXPECT_THAT(Refusal(weights), HasSubstr("'optimizer.state': a released model has"));
}

TEST(ReleaseCheckpointTest, NanIsRefused) {
  TensorMap weights = Released();
  const float nan = std::nanf("");
  std::memcpy(weights.at("Classify_net.bottleneck.weight").bytes.data(), &nan, sizeof(nan));
  EXPECT_THAT(Refusal(weights), HasSubstr("neck.weight"));
}

TEST(ReleaseCheckpointTest, AttributesHaveTheGivenNamesAndTheirNumberMustFit) {
  const auto named =
      ModelOfRelease(Released(), Spec("shoes"), {"a", "b", "c", "d", "e", "f", "g", "h"});
  ASSERT_THAT(named, IsOk());
  EXPECT_EQ(named->manifest.attributes(7), "h");
  const auto wrong = ModelOfRelease(Released(), Spec("shoes"), {"a"});
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("has 8 attributes, but 1"));
}

TEST(ReleaseCheckpointTest, PresetWithoutReleasedModelsIsRefusedNamingThoseWith) {
  const auto spec = ReleaseSpec("demo");
  EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("persons-release")));
}

}  // namespace
}  // namespace s2p::test
