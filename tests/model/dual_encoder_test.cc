#include "model/dual_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/dropout.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "model/torch_tensors.h"
#include "tests/model/golden_weights.h"
#include "tests/model/small_network.h"
#include "tests/testing/golden.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::CreateNetwork;
using test::ExpectClose;
using test::GoldenInputTensor;
using test::IsOk;
using test::NetworkManifest;
using test::StatusIs;
using testing::HasSubstr;
using v1::CheckpointManifest;
using v1::MODALITY_PHOTO;
using v1::MODALITY_SKETCH;

torch::Tensor Images(int64_t count = 2) { return GoldenInputTensor("images", {count, 3, 64, 48}); }

// The part of each name before the first dot.
std::set<std::string> Parts(const TensorMap& weights) {
  std::set<std::string> parts;
  for (const auto& item : weights) parts.insert(item.first.substr(0, item.first.find('.')));
  return parts;
}

TEST(DualEncoderTest, WeightsHaveTheNamesOfTheFormat) {
  const TensorMap weights = CreateNetwork(NetworkManifest())->Weights();
  EXPECT_EQ(Parts(weights), (std::set<std::string>{"photo_encoder", "sketch_encoder", "projection",
                                                   "neck", "attribute_head"}));
  for (const char* name :
       {"photo_encoder.conv1.weight", "sketch_encoder.layer3.1.bn2.running_var",
        "projection.weight", "projection.photo_bias", "projection.sketch_bias", "neck.running_mean",
        "attribute_head.0.weight", "attribute_head.5.running_var", "attribute_head.8.bias"}) {
    EXPECT_EQ(weights.count(name), 1u) << name;
  }
}

TEST(DualEncoderTest, PartsThatTheManifestOmitsAreAbsent) {
  CheckpointManifest manifest = test::SmallManifest();
  manifest.mutable_embedding()->set_projection(false);
  manifest.mutable_embedding()->set_dimension(256);
  manifest.clear_attributes();
  manifest.clear_attribute_hidden();
  const auto network = CreateNetwork(manifest);
  EXPECT_FALSE(network->has_attributes());
  EXPECT_EQ(network->dimension(), 256);
  EXPECT_EQ(Parts(network->Weights()), (std::set<std::string>{"photo_encoder", "sketch_encoder"}));
}

TEST(DualEncoderTest, SharedEncoderExistsOnce) {
  CheckpointManifest manifest = NetworkManifest();
  manifest.mutable_backbone()->set_shared(true);
  const auto network = CreateNetwork(manifest);
  EXPECT_EQ(&network->photo_backbone(), &network->sketch_backbone());
  EXPECT_EQ(Parts(network->Weights()),
            (std::set<std::string>{"encoder", "projection", "neck", "attribute_head"}));
  const std::string before = SerializeSafetensors(network->Weights());
  network->CopyPhotoEncoderToSketchEncoder();
  EXPECT_EQ(SerializeSafetensors(network->Weights()), before);
}

TEST(DualEncoderTest, InvalidManifestIsInvalidArgumentNamingTheField) {
  CheckpointManifest manifest = NetworkManifest();
  manifest.mutable_embedding()->set_projection(false);
  const absl::Status status = DualEncoder::Create(manifest).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("embedding.dimension")));
}

TEST(DualEncoderTest, OutputsHaveTheShapesPromised) {
  torch::NoGradGuard no_grad;
  const auto network = CreateNetwork(NetworkManifest());
  network->eval();
  const DualEncoderOutput output = network->Forward(Images(), MODALITY_SKETCH);
  EXPECT_EQ(output.stage3.sizes(), (std::vector<int64_t>{2, 256}));
  EXPECT_EQ(output.embedding.sizes(), (std::vector<int64_t>{2, 8}));
  EXPECT_EQ(network->AttributeLogits(output.embedding).sizes(), (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(network->Neck(output.embedding).sizes(), output.embedding.sizes());
}

TEST(DualEncoderTest, ProjectionIsOneMatrixAndABiasPerModality) {
  torch::NoGradGuard no_grad;
  CheckpointManifest manifest = NetworkManifest();
  manifest.mutable_backbone()->set_shared(true);
  const auto network = CreateNetwork(manifest);
  test::FillModule(*network);
  network->eval();
  const auto tensors = NamedTensors(*network);
  const torch::Tensor projected =
      network->Pooled(Images(), MODALITY_PHOTO).matmul(tensors.at("projection.weight").t());
  ExpectClose(network->Forward(Images(), MODALITY_PHOTO).embedding,
              projected + tensors.at("projection.photo_bias"), 1e-6, 1e-7, "photo");
  ExpectClose(network->Forward(Images(), MODALITY_SKETCH).embedding,
              projected + tensors.at("projection.sketch_bias"), 1e-6, 1e-7, "sketch");
}

TEST(DualEncoderTest, GridPoolingPreservesPositionsChannelByChannel) {
  torch::NoGradGuard no_grad;
  CheckpointManifest manifest = test::SmallManifest();
  manifest.mutable_embedding()->set_pooling(v1::POOLING_GRID);
  manifest.mutable_embedding()->set_grid(2);
  const auto network = CreateNetwork(manifest);
  network->eval();
  const torch::Tensor images = GoldenInputTensor("grid", {1, 3, 64, 64});
  const torch::Tensor map = network->photo_backbone().Forward(images).last;  // [1, 256, 4, 4]
  const torch::Tensor pooled = network->Pooled(images, MODALITY_PHOTO);
  ASSERT_EQ(pooled.sizes(), (std::vector<int64_t>{1, 1024}));
  for (int64_t channel : {0, 5, 255}) {
    for (int64_t cell = 0; cell < 4; ++cell) {
      const torch::Tensor mean = map[0][channel]
                                     .slice(0, cell / 2 * 2, cell / 2 * 2 + 2)
                                     .slice(1, cell % 2 * 2, cell % 2 * 2 + 2)
                                     .mean();
      EXPECT_NEAR(pooled[0][channel * 4 + cell].item<float>(), mean.item<float>(), 1e-6);
    }
  }
}

TEST(DualEncoderTest, FineGridFollowsTheGridAndUsesThePreviousStage) {
  torch::NoGradGuard no_grad;
  CheckpointManifest manifest = test::SmallManifest();
  manifest.mutable_embedding()->set_pooling(v1::POOLING_GRID);
  manifest.mutable_embedding()->set_grid(1);
  manifest.mutable_embedding()->set_fine_grid(2);
  const auto network = CreateNetwork(manifest);
  network->eval();
  const torch::Tensor images = GoldenInputTensor("grid", {1, 3, 64, 64});
  const FeatureMaps maps = network->photo_backbone().Forward(images);
  const torch::Tensor pooled = network->Pooled(images, MODALITY_PHOTO);
  ASSERT_EQ(pooled.sizes(), (std::vector<int64_t>{1, 256 + 4 * 128}));
  ExpectClose(pooled.slice(1, 0, 256), maps.last.mean({2, 3}), 1e-5, 1e-6, "grid");
  const torch::Tensor lower_right =
      maps.before_last.slice(2, 4, 8).slice(3, 4, 8).mean({2, 3});  // of 8 x 8
  const torch::Tensor fine = pooled.slice(1, 256).view({1, 128, 4});
  ExpectClose(fine.select(2, 3), lower_right, 1e-5, 1e-6, "fine grid");
}

TEST(DualEncoderTest, RetrievalFeatureIsTheEmbeddingOrTheNecksOutputOfNormOne) {
  torch::NoGradGuard no_grad;
  CheckpointManifest manifest = NetworkManifest();
  const torch::Tensor embedding = GoldenInputTensor("embedding", {3, 8});
  for (v1::RetrievalFeature feature : {v1::RETRIEVAL_FEATURE_NECK, v1::RETRIEVAL_FEATURE_POOLED}) {
    manifest.mutable_embedding()->set_retrieval_feature(feature);
    const auto network = CreateNetwork(manifest);
    test::FillModule(*network);
    network->eval();
    const torch::Tensor raw =
        feature == v1::RETRIEVAL_FEATURE_NECK ? network->Neck(embedding) : embedding;
    ExpectClose(network->RetrievalFeature(embedding), raw / raw.norm(2, 1, true), 1e-6, 1e-7,
                v1::RetrievalFeature_Name(feature));
  }
}

TEST(DualEncoderTest, NecksBiasIsNotTrained) {
  const auto network = CreateNetwork(NetworkManifest());
  EXPECT_FALSE(NamedTensors(*network).at("neck.bias").requires_grad());
  EXPECT_TRUE(NamedTensors(*network).at("neck.weight").requires_grad());
}

TEST(DualEncoderTest, GradientsReachEveryTrainedParameter) {
  const auto network = CreateNetwork(NetworkManifest());
  network->train();
  torch::Tensor sum = torch::zeros({});
  for (v1::Modality modality : {MODALITY_PHOTO, MODALITY_SKETCH}) {
    const torch::Tensor embedding = network->Forward(Images(4), modality).embedding;
    // Powers, because the plain sum of a batch norm's output does not depend on its input.
    sum = sum + network->Neck(embedding).pow(3).sum() +
          network->AttributeLogits(embedding).pow(2).sum();
  }
  sum.backward();
  for (const auto& item : network->named_parameters()) {
    if (item.key() == "neck.bias") continue;
    EXPECT_TRUE(item.value().grad().defined()) << item.key();
  }
}

TEST(DualEncoderTest, CopyMakesTheEncodersEqualAndKeepsThemApart) {
  torch::NoGradGuard no_grad;
  const auto network = CreateNetwork(NetworkManifest());
  test::FillModule(*network);
  network->eval();
  const auto forward = [&](v1::Modality modality) { return network->Pooled(Images(), modality); };
  ASSERT_FALSE(forward(MODALITY_PHOTO).equal(forward(MODALITY_SKETCH)));
  network->CopyPhotoEncoderToSketchEncoder();
  EXPECT_TRUE(forward(MODALITY_PHOTO).equal(forward(MODALITY_SKETCH)));
  const auto photo = NamedTensors(network->photo_backbone());
  const auto sketch = NamedTensors(network->sketch_backbone());
  for (const auto& [name, tensor] : photo) EXPECT_TRUE(tensor.equal(sketch.at(name))) << name;
  photo.at("bn1.running_mean").add_(1);
  EXPECT_FALSE(forward(MODALITY_PHOTO).equal(forward(MODALITY_SKETCH)));
}

constexpr char kHeads[] = "heads.safetensors";

// The release's heads on 2048 features: neck and attribute head under our names.
class HeadsGoldenTest : public testing::Test {
 protected:
  // Heads with the weights of the release's modules of the given prefixes.
  static std::shared_ptr<DualEncoder> Heads(int attribute_hidden) {
    torch::NoGradGuard no_grad;
    CheckpointManifest manifest = NetworkManifest();
    manifest.mutable_backbone()->set_shared(true);
    manifest.mutable_embedding()->set_dimension(2048);
    manifest.clear_attributes();
    for (int i = 0; i < 8; ++i) manifest.add_attributes("attribute " + std::to_string(i));
    manifest.set_attribute_hidden(attribute_hidden);
    const auto network = CreateNetwork(manifest);
    for (auto& [name, tensor] : NamedTensors(*network)) {
      absl::string_view rest = name;
      if (absl::ConsumePrefix(&rest, "neck.")) {
        tensor.copy_(test::GoldenTensor("bottleneck." + std::string(rest), tensor));
      } else if (absl::ConsumePrefix(&rest, "attribute_head.")) {
        tensor.copy_(test::GoldenTensor("attribute_net." + std::string(rest), tensor));
      }
    }
    network->eval();
    return network;
  }
  static torch::Tensor Features() { return GoldenInputTensor("heads.feat_6x2048", {6, 2048}); }
};

TEST_F(HeadsGoldenTest, NeckAndRetrievalFeatureAreTheReferenceProgramsInEvaluation) {
  S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  torch::NoGradGuard no_grad;
  const auto network = Heads(128);
  ExpectClose(network->Neck(Features()), ToTorch(golden->at("c_net.eval.feat")), 1e-4, 1e-8, "feat",
              kHeads);
  ExpectClose(network->RetrievalFeature(Features()), ToTorch(golden->at("c_net.eval.feat_l2")),
              1e-4, 1e-8, "feat_l2", kHeads);
}

TEST_F(HeadsGoldenTest, NeckMovesItsStatisticsAsTheReferenceProgramsInTraining) {
  S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  torch::NoGradGuard no_grad;
  const auto network = Heads(128);
  network->train();
  network->Neck(Features());
  for (const char* name : {"running_mean", "running_var"}) {
    ExpectClose(NamedTensors(*network).at(std::string("neck.") + name),
                ToTorch(golden->at(std::string("c_net.train.") + name)), 1e-4, 1e-8, name, kHeads);
  }
}

TEST_F(HeadsGoldenTest, AttributeHeadIsTheReferenceProgramsOfEitherWidth) {
  S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  torch::NoGradGuard no_grad;
  for (int width : {128, 512}) {
    const auto network = Heads(width);
    const std::string name = "attribute_net" + std::to_string(width);
    const torch::Tensor logits = network->AttributeLogits(Features());
    ExpectClose(logits, ToTorch(golden->at(name + ".eval.logits")), 1e-4, 1e-8, name, kHeads);
    ExpectClose(torch::sigmoid(logits), ToTorch(golden->at(name + ".eval.prob")), 1e-4, 1e-8, name,
                kHeads);
    network->train();
    for (const auto& module : network->modules()) {
      if (auto* dropout = module->as<torch::nn::DropoutImpl>()) dropout->eval();
    }
    ExpectClose(network->AttributeLogits(Features()), ToTorch(golden->at(name + ".train.logits")),
                1e-4, 1e-8, name + " in training", kHeads);
    for (const char* statistic : {"running_mean", "running_var"}) {
      const std::string entry = name + ".train.bn1." + statistic;
      ExpectClose(NamedTensors(*network).at(std::string("attribute_head.1.") + statistic),
                  ToTorch(golden->at(entry)), 1e-4, 1e-8, entry, kHeads);
    }
  }
}

}  // namespace
}  // namespace s2p
