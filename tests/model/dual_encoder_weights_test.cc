// Loading weights into a dual encoder: a checkpoint's, and those of published backbones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "model/backbone_weights.h"
#include "model/dual_encoder.h"
#include "model/torch_tensors.h"
#include "tests/model/golden_weights.h"
#include "tests/model/small_network.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::CreateNetwork;
using test::GoldenInputTensor;
using test::IsOk;
using test::NetworkManifest;
using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;
using v1::MODALITY_SKETCH;

torch::Tensor Images() { return GoldenInputTensor("images", {2, 3, 64, 48}); }

bool SameWeights(const DualEncoder& a, const DualEncoder& b) {
  return SerializeSafetensors(a.Weights()) == SerializeSafetensors(b.Weights());
}

class SetWeightsTest : public testing::Test {
 protected:
  // Returns the message; fails unless the damaged weights are refused and leave the network
  // unchanged.
  std::string Refusal(const std::function<void(TensorMap&)>& damage) {
    TensorMap weights = CreateNetwork(NetworkManifest(), 2)->Weights();
    damage(weights);
    const std::string before = SerializeSafetensors(network_->Weights());
    const absl::Status status = network_->SetWeights(weights);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss));
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
  ASSERT_THAT(weights, IsOk());
  const absl::Status status = network_->SetWeights(*weights);
  ASSERT_THAT(status, IsOk());
  EXPECT_TRUE(SameWeights(*network_, *other));
  network_->eval();
  other->eval();
  EXPECT_TRUE(network_->Forward(Images(), MODALITY_SKETCH)
                  .embedding.equal(other->Forward(Images(), MODALITY_SKETCH).embedding));
}

TEST_F(SetWeightsTest, HeadTakesTheFormOfTheWeights) {
  torch::NoGradGuard no_grad;
  const torch::Tensor v = GoldenInputTensor("v", {3, 8});
  torch::manual_seed(5);
  for (const HeadForm form : {HeadForm::kDense, HeadForm::kBatchNorm}) {
    const auto other = DualEncoder::Create(NetworkManifest(), form);
    ASSERT_THAT(other, IsOk());
    ASSERT_THAT(network_->SetWeights((*other)->Weights()), IsOk());
    EXPECT_EQ(network_->head_form(), form);
    EXPECT_TRUE(SameWeights(*network_, **other));
    network_->eval();
    (*other)->eval();
    EXPECT_TRUE(network_->AttributeLogits(v).equal((*other)->AttributeLogits(v)));
  }
}

TEST_F(SetWeightsTest, RefusedWeightsOfTheOtherFormLeaveTheHead) {
  TensorMap weights = (*DualEncoder::Create(NetworkManifest(), HeadForm::kDense))->Weights();
  weights.erase("attribute_head.4.bias");
  const std::string before = SerializeSafetensors(network_->Weights());
  EXPECT_THAT(
      network_->SetWeights(weights),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("tensor 'attribute_head.4.bias': missing")));
  EXPECT_TRUE(SerializeSafetensors(network_->Weights()) == before);
  EXPECT_EQ(network_->head_form(), HeadForm::kBatchNorm);
}

TEST_F(SetWeightsTest, MissingTensorIsNamed) {
  EXPECT_THAT(Refusal([](TensorMap& w) { w.erase("projection.photo_bias"); }),
              HasSubstr("tensor 'projection.photo_bias': missing"));
  EXPECT_THAT(Refusal([](TensorMap& w) { w.erase("photo_encoder.bn1.num_batches_tracked"); }),
              HasSubstr("tensor 'photo_encoder.bn1.num_batches_tracked': missing"));
}

TEST_F(SetWeightsTest, SurplusTensorIsNamed) {
  EXPECT_THAT(Refusal([](TensorMap& w) { w["encoder.fc.bias"] = w.at("neck.bias"); }),
              HasSubstr("tensor 'encoder.fc.bias': the network has no tensor of this name"));
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
class LoadBackboneWeightsTest : public testing::Test {
 protected:
  static TensorMap Published() {
    v1::Backbone spec = NetworkManifest().backbone();
    spec.set_last_stage(4);
    auto backbone = CreateBackbone(spec);
    EXPECT_THAT(backbone, IsOk());
    test::FillModule(**backbone);
    TensorMap weights;
    for (const auto& [name, tensor] : NamedTensors(**backbone))
      weights[name] = ToTensorBytes(tensor);
    weights["fc.weight"] = TensorBytes{TensorType::kF32, {1}, "abcd"};
    weights["last_linear.bias"] = TensorBytes{TensorType::kF32, {1}, "abcd"};
    return weights;
  }
  void ExpectLoaded() {
    const auto sketch = NamedTensors(network_->sketch_backbone());
    for (const auto& [name, tensor] : NamedTensors(network_->photo_backbone())) {
      EXPECT_TRUE(tensor.equal(test::GoldenTensor(name, tensor))) << name;
      EXPECT_TRUE(tensor.equal(sketch.at(name))) << name;
    }
  }
  std::string Refusal(const TensorMap& weights) {
    const absl::Status status = LoadBackboneWeights(weights, LaterStages::kSkip, *network_);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    return std::string(status.message());
  }
  const std::shared_ptr<DualEncoder> network_ = CreateNetwork(NetworkManifest());
};

TEST_F(LoadBackboneWeightsTest, FillsBothEncodersAndSkipsClassifierAndLaterStages) {
  const absl::Status status = LoadBackboneWeights(Published(), LaterStages::kSkip, *network_);
  ASSERT_THAT(status, IsOk());
  ExpectLoaded();
}

TEST_F(LoadBackboneWeightsTest, StagesThatTheNetworkLacksAreRefusedUnlessSkipped) {
  const absl::Status status = LoadBackboneWeights(Published(), LaterStages::kRefuse, *network_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("layer4.0."), HasSubstr("skip_unused_weights"))));
}

TEST_F(LoadBackboneWeightsTest, PrefixesOfTrainingProgramsAreStripped) {
  TensorMap prefixed;
  for (auto& [name, tensor] : Published()) prefixed["module.base." + name] = tensor;
  const absl::Status status = LoadBackboneWeights(prefixed, LaterStages::kSkip, *network_);
  ASSERT_THAT(status, IsOk());
  ExpectLoaded();
}

TEST_F(LoadBackboneWeightsTest, MissingCounterIsZero) {
  NamedTensors(network_->photo_backbone()).at("bn1.num_batches_tracked").fill_(5);
  TensorMap weights = Published();
  weights.erase("bn1.num_batches_tracked");
  const absl::Status status = LoadBackboneWeights(weights, LaterStages::kSkip, *network_);
  ASSERT_THAT(status, IsOk());
  ExpectLoaded();
}

TEST_F(LoadBackboneWeightsTest, EveryFloatingTypeIsConverted) {
  for (const auto type : {torch::kFloat16, torch::kBFloat16, torch::kFloat64}) {
    TensorMap weights = Published();
    TensorBytes& bias = weights.at("bn1.bias");
    bias = ToTensorBytes(torch::full({64}, 0.375).to(type));
    ASSERT_EQ(bias.type, TypeOf(type));
    ASSERT_THAT(LoadBackboneWeights(weights, LaterStages::kSkip, *network_), IsOk());
    const torch::Tensor loaded = NamedTensors(network_->photo_backbone()).at("bn1.bias");
    EXPECT_EQ(loaded.scalar_type(), torch::kFloat32);
    EXPECT_TRUE(loaded.equal(torch::full({64}, 0.375)));
  }
}

TEST_F(LoadBackboneWeightsTest, MissingKeyIsNamed) {
  TensorMap weights = Published();
  weights.erase("layer2.0.downsample.0.weight");
  EXPECT_THAT(Refusal(weights), HasSubstr("tensor 'layer2.0.downsample.0.weight': missing"));
}

TEST_F(LoadBackboneWeightsTest, SurplusKeyIsNamedAsWritten) {
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
  EXPECT_THAT(Refusal(weights), HasSubstr("appears twice"));
}

TEST_F(LoadBackboneWeightsTest, WeightsOfAnotherNetworkChangeNothing) {
  const std::string before = SerializeSafetensors(network_->Weights());
  EXPECT_THAT(Refusal({{"classifier.weight", TensorBytes{TensorType::kF32, {1}, "abcd"}}}),
              HasSubstr("classifier.weight"));
  EXPECT_TRUE(SerializeSafetensors(network_->Weights()) == before);
}

TEST(TensorBytesTest, EveryTypeIsConvertedBothWays) {
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
  EXPECT_THAT(values, testing::ElementsAre(1, 3, 2, 4));
}

TEST(TensorBytesTest, EmptyTensorsAndScalarsAreConverted) {
  EXPECT_EQ(ToTorch(ToTensorBytes(torch::zeros({0, 3}))).sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(ToTorch(ToTensorBytes(torch::tensor(2.5))).item<float>(), 2.5f);
}

}  // namespace
}  // namespace s2p
