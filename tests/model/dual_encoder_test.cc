#include "model/dual_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "tests/model/golden_weights.h"
#include "tests/model/small_network.h"
#include "tests/testing/golden.h"

namespace s2p {
namespace {

using ::testing::AllOf;
using testing::CreateNetwork;
using testing::ExpectClose;
using testing::GoldenInputTensor;
using ::testing::HasSubstr;
using testing::NetworkManifest;
using testing::TensorsOf;
using v1::CheckpointManifest;
using v1::MODALITY_PHOTO;
using v1::MODALITY_SKETCH;

torch::Tensor Images(int64_t count = 2) { return GoldenInputTensor("images", {count, 3, 64, 48}); }

bool SameWeights(const DualEncoder& a, const DualEncoder& b) {
  return SerializeSafetensors(a.Weights()) == SerializeSafetensors(b.Weights());
}

// What precedes the first dot of each name.
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

TEST(DualEncoderTest, WhatTheManifestLeavesOutIsNotThere) {
  CheckpointManifest manifest = testing::SmallManifest();
  manifest.mutable_embedding()->set_projection(false);
  manifest.mutable_embedding()->set_dimension(256);
  manifest.clear_attributes();
  manifest.clear_attribute_hidden();
  const auto network = CreateNetwork(manifest);
  EXPECT_FALSE(network->has_attributes());
  EXPECT_EQ(network->dimension(), 256);
  EXPECT_EQ(Parts(network->Weights()), (std::set<std::string>{"photo_encoder", "sketch_encoder"}));
}

TEST(DualEncoderTest, SharedEncoderIsThereOnce) {
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

TEST(DualEncoderTest, ManifestThatMakesNoSenseIsInvalidArgumentNamingTheField) {
  CheckpointManifest manifest = NetworkManifest();
  manifest.mutable_embedding()->set_projection(false);
  const absl::Status status = DualEncoder::Create(manifest).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("embedding.dimension"));
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
  testing::FillModule(*network);
  network->eval();
  const auto tensors = TensorsOf(*network);
  const torch::Tensor projected =
      network->Pooled(Images(), MODALITY_PHOTO).matmul(tensors.at("projection.weight").t());
  ExpectClose(network->Forward(Images(), MODALITY_PHOTO).embedding,
              projected + tensors.at("projection.photo_bias"), 1e-6, 1e-7, "photo");
  ExpectClose(network->Forward(Images(), MODALITY_SKETCH).embedding,
              projected + tensors.at("projection.sketch_bias"), 1e-6, 1e-7, "sketch");
}

TEST(DualEncoderTest, GridPoolingKeepsWhereThingsAreChannelByChannel) {
  torch::NoGradGuard no_grad;
  CheckpointManifest manifest = testing::SmallManifest();
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

TEST(DualEncoderTest, RetrievalFeatureIsTheEmbeddingOrTheNecksOutputOfNormOne) {
  torch::NoGradGuard no_grad;
  CheckpointManifest manifest = NetworkManifest();
  const torch::Tensor embedding = GoldenInputTensor("embedding", {3, 8});
  for (v1::RetrievalFeature feature : {v1::RETRIEVAL_FEATURE_NECK, v1::RETRIEVAL_FEATURE_POOLED}) {
    manifest.mutable_embedding()->set_retrieval_feature(feature);
    const auto network = CreateNetwork(manifest);
    testing::FillModule(*network);
    network->eval();
    const torch::Tensor raw =
        feature == v1::RETRIEVAL_FEATURE_NECK ? network->Neck(embedding) : embedding;
    ExpectClose(network->RetrievalFeature(embedding), raw / raw.norm(2, 1, true), 1e-6, 1e-7,
                v1::RetrievalFeature_Name(feature));
  }
}

TEST(DualEncoderTest, NecksBiasIsNotTrained) {
  const auto network = CreateNetwork(NetworkManifest());
  EXPECT_FALSE(TensorsOf(*network).at("neck.bias").requires_grad());
  EXPECT_TRUE(TensorsOf(*network).at("neck.weight").requires_grad());
}

TEST(DualEncoderTest, GradientsReachEveryTrainedParameter) {
  const auto network = CreateNetwork(NetworkManifest());
  network->train();
  torch::Tensor sum = torch::zeros({});
  for (v1::Modality modality : {MODALITY_PHOTO, MODALITY_SKETCH}) {
    const torch::Tensor embedding = network->Forward(Images(4), modality).embedding;
    // Squares, because a batch norm's plain sum does not depend on its input.
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
  testing::FillModule(*network);
  network->eval();
  const auto forward = [&](v1::Modality modality) { return network->Pooled(Images(), modality); };
  ASSERT_FALSE(forward(MODALITY_PHOTO).equal(forward(MODALITY_SKETCH)));
  network->CopyPhotoEncoderToSketchEncoder();
  EXPECT_TRUE(forward(MODALITY_PHOTO).equal(forward(MODALITY_SKETCH)));
  const auto photo = TensorsOf(network->photo_backbone());
  const auto sketch = TensorsOf(network->sketch_backbone());
  for (const auto& [name, tensor] : photo) EXPECT_TRUE(tensor.equal(sketch.at(name))) << name;
  photo.at("bn1.running_mean").add_(1);
  EXPECT_FALSE(forward(MODALITY_PHOTO).equal(forward(MODALITY_SKETCH)));
}

class SetWeightsTest : public ::testing::Test {
 protected:
  // Fails unless the weights, damaged so, are refused and leave the network as it was.
  std::string Refusal(const std::function<void(TensorMap&)>& damage) {
    TensorMap weights = CreateNetwork(NetworkManifest(), 2)->Weights();
    damage(weights);
    const std::string before = SerializeSafetensors(network_->Weights());
    const absl::Status status = network_->SetWeights(weights);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_TRUE(SerializeSafetensors(network_->Weights()) == before);
    return std::string(status.message());
  }
  const std::shared_ptr<DualEncoder> network_ = CreateNetwork(NetworkManifest(), 1);
};

TEST_F(SetWeightsTest, RoundTripThroughAFileGivesTheSameNetwork) {
  torch::NoGradGuard no_grad;
  const auto other = CreateNetwork(NetworkManifest(), 2);
  ASSERT_FALSE(SameWeights(*network_, *other));
  const auto weights = ParseSafetensors(SerializeSafetensors(other->Weights()));
  ASSERT_TRUE(weights.ok()) << weights.status();
  const absl::Status status = network_->SetWeights(*weights);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(SameWeights(*network_, *other));
  network_->eval();
  other->eval();
  EXPECT_TRUE(network_->Forward(Images(), MODALITY_SKETCH)
                  .embedding.equal(other->Forward(Images(), MODALITY_SKETCH).embedding));
}

TEST_F(SetWeightsTest, MissingTensorIsNamed) {
  EXPECT_THAT(Refusal([](TensorMap& w) { w.erase("projection.photo_bias"); }),
              HasSubstr("tensor 'projection.photo_bias': missing"));
  EXPECT_THAT(Refusal([](TensorMap& w) { w.erase("photo_encoder.bn1.num_batches_tracked"); }),
              HasSubstr("tensor 'photo_encoder.bn1.num_batches_tracked': missing"));
}

TEST_F(SetWeightsTest, SurplusTensorIsNamed) {
  EXPECT_THAT(Refusal([](TensorMap& w) { w["encoder.fc.bias"] = w.at("neck.bias"); }),
              HasSubstr("tensor 'encoder.fc.bias': the network has none of this name"));
}

TEST_F(SetWeightsTest, TensorOfAnotherShapeIsNamedWithBothShapes) {
  EXPECT_THAT(Refusal([](TensorMap& w) {
                w.at("projection.weight").shape = {256, 8};
              }),
              AllOf(HasSubstr("tensor 'projection.weight': F32 [256, 8]"),
                    HasSubstr("the network has F32 [8, 256]")));
}

TEST_F(SetWeightsTest, TensorOfAnotherTypeIsNamed) {
  EXPECT_THAT(Refusal([](TensorMap& w) { w.at("neck.weight").type = TensorType::kI32; }),
              AllOf(HasSubstr("tensor 'neck.weight': I32 [8]"), HasSubstr("F32 [8]")));
}

// Published weights of a ResNet-18, to be loaded into an encoder that ends at stage 3.
class LoadBackboneWeightsTest : public ::testing::Test {
 protected:
  static TensorMap Published() {
    v1::Backbone spec = NetworkManifest().backbone();
    spec.set_last_stage(4);
    auto backbone = CreateBackbone(spec);
    EXPECT_TRUE(backbone.ok()) << backbone.status();
    testing::FillModule(**backbone);
    TensorMap weights;
    for (const auto& [name, tensor] : TensorsOf(**backbone)) weights[name] = ToTensorBytes(tensor);
    weights["fc.weight"] = TensorBytes{TensorType::kF32, {1}, "abcd"};
    weights["last_linear.bias"] = TensorBytes{TensorType::kF32, {1}, "abcd"};
    return weights;
  }
  void ExpectLoaded() {
    const auto sketch = TensorsOf(network_->sketch_backbone());
    for (const auto& [name, tensor] : TensorsOf(network_->photo_backbone())) {
      EXPECT_TRUE(tensor.equal(testing::GoldenTensor(name, tensor))) << name;
      EXPECT_TRUE(tensor.equal(sketch.at(name))) << name;
    }
  }
  std::string Refusal(const TensorMap& weights) {
    const absl::Status status = LoadBackboneWeights(weights, *network_);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }
  const std::shared_ptr<DualEncoder> network_ = CreateNetwork(NetworkManifest());
};

TEST_F(LoadBackboneWeightsTest, FillsBothEncodersAndSkipsClassifierAndLaterStages) {
  const absl::Status status = LoadBackboneWeights(Published(), *network_);
  ASSERT_TRUE(status.ok()) << status;
  ExpectLoaded();
}

TEST_F(LoadBackboneWeightsTest, PrefixesOfTrainingProgramsAreStripped) {
  TensorMap prefixed;
  for (auto& [name, tensor] : Published()) prefixed["module.base." + name] = tensor;
  const absl::Status status = LoadBackboneWeights(prefixed, *network_);
  ASSERT_TRUE(status.ok()) << status;
  ExpectLoaded();
}

TEST_F(LoadBackboneWeightsTest, MissingCounterIsZero) {
  TensorsOf(network_->photo_backbone()).at("bn1.num_batches_tracked").fill_(5);
  TensorMap weights = Published();
  weights.erase("bn1.num_batches_tracked");
  const absl::Status status = LoadBackboneWeights(weights, *network_);
  ASSERT_TRUE(status.ok()) << status;
  ExpectLoaded();
}

TEST_F(LoadBackboneWeightsTest, HalfPrecisionIsWidened) {
  TensorMap weights = Published();
  TensorBytes& bias = weights.at("bn1.bias");
  bias = ToTensorBytes(torch::full({64}, 0.375).to(torch::kFloat16));
  ASSERT_EQ(bias.type, TensorType::kF16);
  const absl::Status status = LoadBackboneWeights(weights, *network_);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(TensorsOf(network_->photo_backbone()).at("bn1.bias").equal(torch::full({64}, 0.375)));
}

TEST_F(LoadBackboneWeightsTest, MissingKeyIsNamed) {
  TensorMap weights = Published();
  weights.erase("layer2.0.downsample.0.weight");
  EXPECT_THAT(Refusal(weights), HasSubstr("tensor 'layer2.0.downsample.0.weight': missing"));
}

TEST_F(LoadBackboneWeightsTest, SurplusKeyIsNamedAsItIsWritten) {
  TensorMap weights = Published();
  weights["base.layer2.7.conv1.weight"] = weights.at("conv1.weight");
  EXPECT_THAT(Refusal(weights), HasSubstr("tensor 'base.layer2.7.conv1.weight': the network has"));
}

TEST_F(LoadBackboneWeightsTest, KeyOfAnotherShapeOrKindIsNamed) {
  TensorMap weights = Published();
  weights.at("conv1.weight").shape = {64, 3, 49, 1};
  EXPECT_THAT(Refusal(weights), HasSubstr("tensor 'conv1.weight': F32 [64, 3, 49, 1]"));
  weights = Published();
  weights.at("bn1.bias").type = TensorType::kI32;
  EXPECT_THAT(Refusal(weights), HasSubstr("tensor 'bn1.bias': I32 [64]"));
}

TEST_F(LoadBackboneWeightsTest, OneTensorUnderTwoNamesIsRefused) {
  TensorMap weights = Published();
  weights["base.conv1.weight"] = weights.at("conv1.weight");
  EXPECT_THAT(Refusal(weights), HasSubstr("is there twice"));
}

TEST_F(LoadBackboneWeightsTest, WeightsOfAnotherNetworkChangeNothing) {
  const std::string before = SerializeSafetensors(network_->Weights());
  EXPECT_THAT(Refusal({{"classifier.weight", TensorBytes{TensorType::kF32, {1}, "abcd"}}}),
              HasSubstr("classifier.weight"));
  EXPECT_TRUE(SerializeSafetensors(network_->Weights()) == before);
}

TEST(TensorBytesTest, EveryTypeCrossesTheBorderBothWays) {
  for (torch::ScalarType type :
       {torch::kFloat64, torch::kFloat32, torch::kFloat16, torch::kBFloat16, torch::kInt64,
        torch::kInt32, torch::kInt16, torch::kInt8, torch::kUInt8, torch::kBool}) {
    const torch::Tensor tensor = torch::tensor({0, 1, 1, 0, 1, 0}).reshape({2, 3}).to(type);
    const TensorBytes bytes = ToTensorBytes(tensor);
    EXPECT_EQ(bytes.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(bytes.bytes.size(), 6 * SizeOf(bytes.type));
    EXPECT_TRUE(ToTorch(bytes).equal(tensor)) << NameOf(bytes.type);
  }
}

TEST(TensorBytesTest, BytesAreRowMajorWhateverTheStrides) {
  const torch::Tensor tensor = torch::tensor({1.f, 2.f, 3.f, 4.f}).reshape({2, 2}).t();
  float values[4];
  std::memcpy(values, ToTensorBytes(tensor).bytes.data(), sizeof(values));
  EXPECT_THAT(values, ::testing::ElementsAre(1, 3, 2, 4));
}

TEST(TensorBytesTest, EmptyTensorsAndScalarsCross) {
  EXPECT_EQ(ToTorch(ToTensorBytes(torch::zeros({0, 3}))).sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(ToTorch(ToTensorBytes(torch::tensor(2.5))).item<float>(), 2.5f);
}

// The release's heads on 2048 features: neck and attribute head under our names.
class HeadsGoldenTest : public ::testing::Test {
 protected:
  // Filled as the release's modules of the prefixes given.
  static std::shared_ptr<DualEncoder> Heads(int attribute_hidden) {
    torch::NoGradGuard no_grad;
    CheckpointManifest manifest = NetworkManifest();
    manifest.mutable_backbone()->set_shared(true);
    manifest.mutable_embedding()->set_dimension(2048);
    manifest.clear_attributes();
    for (int i = 0; i < 8; ++i) manifest.add_attributes("attribute " + std::to_string(i));
    manifest.set_attribute_hidden(attribute_hidden);
    const auto network = CreateNetwork(manifest);
    for (auto& [name, tensor] : TensorsOf(*network)) {
      absl::string_view rest = name;
      if (absl::ConsumePrefix(&rest, "neck.")) {
        tensor.copy_(testing::GoldenTensor("bottleneck." + std::string(rest), tensor));
      } else if (absl::ConsumePrefix(&rest, "attribute_head.")) {
        tensor.copy_(testing::GoldenTensor("attribute_net." + std::string(rest), tensor));
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
  ASSERT_TRUE(golden.ok()) << golden.status();
  torch::NoGradGuard no_grad;
  const auto network = Heads(128);
  ExpectClose(network->Neck(Features()), ToTorch(golden->at("c_net.eval.feat")), 1e-4, 1e-8,
              "feat");
  ExpectClose(network->RetrievalFeature(Features()), ToTorch(golden->at("c_net.eval.feat_l2")),
              1e-4, 1e-8, "feat_l2");
}

TEST_F(HeadsGoldenTest, NeckMovesItsStatisticsAsTheReferenceProgramsInTraining) {
  S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_TRUE(golden.ok()) << golden.status();
  torch::NoGradGuard no_grad;
  const auto network = Heads(128);
  network->train();
  network->Neck(Features());
  for (const char* name : {"running_mean", "running_var"}) {
    ExpectClose(TensorsOf(*network).at(std::string("neck.") + name),
                ToTorch(golden->at(std::string("c_net.train.") + name)), 1e-4, 1e-8, name);
  }
}

TEST_F(HeadsGoldenTest, AttributeHeadIsTheReferenceProgramsOfEitherWidth) {
  S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
  const auto golden = ReadSafetensors(path);
  ASSERT_TRUE(golden.ok()) << golden.status();
  torch::NoGradGuard no_grad;
  for (int width : {128, 512}) {
    const auto network = Heads(width);
    const std::string name = "attribute_net" + std::to_string(width);
    const torch::Tensor logits = network->AttributeLogits(Features());
    ExpectClose(logits, ToTorch(golden->at(name + ".eval.logits")), 1e-4, 1e-8, name);
    ExpectClose(torch::sigmoid(logits), ToTorch(golden->at(name + ".eval.prob")), 1e-4, 1e-8, name);
    network->train();
    for (const auto& module : network->modules()) {
      if (auto* dropout = module->as<torch::nn::DropoutImpl>()) dropout->eval();
    }
    ExpectClose(network->AttributeLogits(Features()), ToTorch(golden->at(name + ".train.logits")),
                1e-4, 1e-8, name + " in training");
  }
}

}  // namespace
}  // namespace s2p
