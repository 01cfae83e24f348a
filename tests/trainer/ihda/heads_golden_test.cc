#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/model/golden_weights.h"
#include "tests/trainer/golden_tensors.h"
#include "trainer/ihda/heads.h"
#include "trainer/ihda/recipe.h"

namespace s2p::test {
namespace {

// The classifiers that only training needs, filled under the names of the release's modules.
class HeadsGoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    S2P_GOLDEN_OR_SKIP(path, "heads.safetensors");
    golden_ = std::make_unique<GoldenTensors>(path);
  }
  // Our Sequential numbers its layers as the release's does, without its prefix.
  static void Fill(torch::nn::Sequential& module, const std::string& prefix) {
    torch::NoGradGuard no_grad;
    for (auto& [name, tensor] : NamedTensors(*module)) {
      tensor.copy_(GoldenTensor(absl::StrCat(prefix, ".", name), tensor));
    }
  }
  static torch::Tensor Features() { return GoldenInputTensor("heads.feat_6x2048", {6, 2048}); }
  // The release's neck: BatchNorm1d filled as `bottleneck`, in training mode.
  static torch::Tensor AfterNeck() {
    torch::NoGradGuard no_grad;
    torch::nn::BatchNorm1d neck(2048);
    for (auto& [name, tensor] : NamedTensors(*neck)) {
      tensor.copy_(GoldenTensor("bottleneck." + name, tensor));
    }
    return neck->forward(Features());
  }
  static void SwitchDropoutOff(torch::nn::Sequential& module) {
    for (const auto& child : module->modules()) {
      if (auto* dropout = child->as<torch::nn::DropoutImpl>()) dropout->eval();
    }
  }

  std::unique_ptr<GoldenTensors> golden_;
};

TEST_F(HeadsGoldenTest, FeaturesBeginAsTheFileSays) {
  EXPECT_TRUE(Features().flatten().slice(0, 0, 16).equal((*golden_)["heads.feat_6x2048.head"]));
}

TEST_F(HeadsGoldenTest, IdentityClassifierIsTheReferenceProgramsWithAndWithoutDropout) {
  torch::NoGradGuard no_grad;
  torch::nn::Sequential plain = IdentityClassifier(2048, 10, 0);
  Fill(plain, "classifier");
  golden_->ExpectNear(plain->forward(AfterNeck()), "c_net.train.logits", 1e-4);
  torch::nn::Sequential dropout = IdentityClassifier(2048, 10, 0.7);
  Fill(dropout, "classifier");
  SwitchDropoutOff(dropout);
  golden_->ExpectNear(dropout->forward(AfterNeck()), "c_net_dropout.train.logits", 1e-4);
}

TEST_F(HeadsGoldenTest, DomainClassifierIsTheReferenceProgramsOfEitherWidth) {
  torch::NoGradGuard no_grad;
  for (const int width :
       {RecipeOf(v1::RECIPE_RELEASE).head_width, RecipeOf(v1::RECIPE_PAPER).head_width}) {
    const std::string name = absl::StrCat("domain_net", width);
    torch::nn::Sequential net = DomainClassifier(2048, width, HeadForm::kBatchNorm);
    Fill(net, "domain_net");
    net->eval();
    const torch::Tensor logits = net->forward(Features());
    golden_->ExpectNear(logits, name + ".eval.logits", 1e-4);
    golden_->ExpectNear(torch::softmax(logits, 1), name + ".eval.prob", 1e-4);
    net->train();
    golden_->ExpectNear(net->forward(Features()), name + ".train.logits", 1e-4);
    golden_->ExpectNear(NamedTensors(*net).at("1.running_mean"), name + ".train.bn1.running_mean",
                        1e-4);
    golden_->ExpectNear(NamedTensors(*net).at("1.running_var"), name + ".train.bn1.running_var",
                        1e-4);
  }
}

TEST_F(HeadsGoldenTest, IdentityClassifierBeginsNearZero) {
  torch::manual_seed(1);
  const torch::Tensor weight = IdentityClassifier(2048, 100, 0)->parameters()[0];
  EXPECT_NEAR(weight.std().item<double>(), 0.001, 1e-5);
}

// The weights_init_kaiming of the release's net/model.py.
TEST(InitializeAsReleaseTest, DenseLayersAreDrawnByTheirOutputsAndBiasesAreZero) {
  torch::manual_seed(1);
  torch::nn::Sequential head = DomainClassifier(2048, 128, HeadForm::kBatchNorm);
  InitializeAsRelease(*head);
  auto tensors = NamedTensors(*head);
  EXPECT_NEAR(tensors.at("0.weight").std().item<double>(), std::sqrt(2.0 / 128), 1e-3);
  EXPECT_NEAR(tensors.at("3.weight").std().item<double>(), std::sqrt(2.0 / 128), 3e-3);
  EXPECT_NEAR(tensors.at("6.weight").std().item<double>(), std::sqrt(2.0 / 3), 0.1);
  for (const char* bias : {"0.bias", "3.bias", "6.bias", "1.bias", "4.bias"}) {
    EXPECT_EQ(tensors.at(bias).abs().max().item<double>(), 0) << bias;
  }
  EXPECT_TRUE(tensors.at("1.weight").equal(torch::ones({128})));
}

}  // namespace
}  // namespace s2p::test
