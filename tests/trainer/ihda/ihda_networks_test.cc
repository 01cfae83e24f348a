// The heads of the two recipes, and states of programs that had others.
#include "trainer/ihda/ihda_networks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <sstream>
#include <string>

#include "base/message_text.h"
#include "model/torch_tensors.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ihda/heads.h"
#include "trainer/optimization/optimizer.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

constexpr int kIdentities = 5;

v1::TrainingSpec Spec(const std::string& recipe) {
  v1::TrainingSpec spec;
  spec.set_preset("demo");
  for (const std::string& field :
       {"recipe=" + recipe, std::string("embedding.grid=1"), std::string("embedding.dimension=16"),
        std::string("step2.weight_decay=0")}) {
    EXPECT_THAT(SetMessageField(field, spec), IsOk());
  }
  auto resolved = ResolveSpec(spec);
  EXPECT_THAT(resolved, IsOk());
  return *std::move(resolved);
}

v1::CheckpointManifest Manifest(const v1::TrainingSpec& spec) {
  return *ManifestOf(spec, {"boots", "laces", "heel"});
}

std::unique_ptr<IhdaNetworks> Networks(const std::string& recipe) {
  torch::manual_seed(3);
  const v1::TrainingSpec spec = Spec(recipe);
  auto networks = IhdaNetworks::Create(spec, Manifest(spec), torch::kCPU);
  EXPECT_THAT(networks, IsOk());
  (*networks)->BeginStep(2, kIdentities);
  return *std::move(networks);
}

// [n, 16], with batch statistics unlike any running ones.
torch::Tensor Features(uint64_t seed, int64_t rows = 12) {
  torch::manual_seed(seed);
  return 3 * torch::randn({rows, 16}) + 1;
}

TEST(IhdaNetworksTest, PaperHasThreeDenseLayersAndTheReleaseItsBatchNorms) {
  const auto paper = Networks("paper");
  EXPECT_EQ(paper->encoder().head_form(), HeadForm::kDense);
  const TensorMap weights = paper->encoder().Weights();
  EXPECT_EQ(weights.at("attribute_head.0.weight").shape, (std::vector<int64_t>{512, 16}));
  EXPECT_EQ(weights.at("attribute_head.2.weight").shape, (std::vector<int64_t>{512, 512}));
  EXPECT_EQ(weights.at("attribute_head.4.weight").shape, (std::vector<int64_t>{3, 512}));
  EXPECT_EQ(weights.count("attribute_head.8.weight"), 0u);
  EXPECT_EQ(Networks("release")->encoder().Weights().count("attribute_head.5.running_mean"), 1u);
}

// Without batch norm and dropout a row does not depend on the others, in training either.
TEST(IhdaNetworksTest, PaperClassifiesEachRowAlone) {
  torch::NoGradGuard no_grad;
  const auto alone = [](IhdaNetworks& networks) {
    networks.SetTraining();
    const torch::Tensor x = Features(1);
    const bool attributes = networks.encoder().AttributeLogits(x).narrow(0, 0, 6).allclose(
        networks.encoder().AttributeLogits(x.narrow(0, 0, 6)), 1e-4, 1e-5);
    const bool domains = networks.DomainLogits(x, 1).narrow(0, 0, 6).allclose(
        networks.DomainLogits(x.narrow(0, 0, 6), 1), 1e-4, 1e-5);
    return std::make_pair(attributes, domains);
  };
  EXPECT_EQ(alone(*Networks("paper")), std::make_pair(true, true));
  EXPECT_EQ(alone(*Networks("release")), std::make_pair(false, false));
}

TEST(IhdaNetworksTest, HeadsOfTheReleaseBeginAsItInitialisesThem) {
  torch::NoGradGuard no_grad;
  const auto release = Networks("release");
  const TensorMap weights = release->encoder().Weights();
  EXPECT_NEAR(ToTorch(weights.at("attribute_head.0.weight")).std().item<double>(),
              std::sqrt(2.0 / 128), 0.01);
  EXPECT_EQ(ToTorch(weights.at("attribute_head.4.bias")).abs().max().item<double>(), 0);
  release->SetTraining();
  const torch::Tensor x = Features(1, 400);
  // LibTorch's own weights of the last layer are 16 times smaller.
  EXPECT_GT(release->DomainLogits(x, 1).std().item<double>(), 2);
  EXPECT_NE(ToTorch(Networks("paper")->encoder().Weights().at("attribute_head.2.bias"))
                .abs()
                .max()
                .item<double>(),
            0);
}

// The bytes of IhdaNetworks::Save in a program whose heads always had batch norm.
std::string FormerState(const v1::TrainingSpec& spec) {
  torch::manual_seed(8);
  const auto encoder = *DualEncoder::Create(Manifest(spec), HeadForm::kBatchNorm);
  const auto domains = DomainClassifier(16, 512, HeadForm::kBatchNorm);
  const auto identities = IdentityClassifier(16, kIdentities, 0);
  std::vector<torch::Tensor> heads, backbone = encoder->photo_backbone().parameters();
  for (const auto& item : encoder->named_parameters()) {
    if (item.key().rfind("encoder.", 0) != 0) heads.push_back(item.value());
  }
  for (const auto& tensor : domains->parameters()) heads.push_back(tensor);
  for (const auto& tensor : identities->parameters()) heads.push_back(tensor);
  const auto optimizer = MakeOptimizer(
      {torch::optim::OptimizerParamGroup(heads), torch::optim::OptimizerParamGroup(backbone)},
      spec.step2(), 0.9);
  for (const auto& group : optimizer->param_groups()) {
    for (const auto& parameter : group.params()) {
      parameter.mutable_grad() = torch::ones_like(parameter);
    }
  }
  optimizer->step();
  torch::serialize::OutputArchive archive;
  const auto add = [&archive](const char* name, const auto& part) {
    torch::serialize::OutputArchive child(archive.compilation_unit());
    part.save(child);
    archive.write(name, child);
  };
  add("encoder", *encoder);
  add("domain_classifier", *domains);
  add("identity_classifier", *identities);
  add("optimizer", *optimizer);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return bytes.str();
}

TEST(IhdaNetworksTest, StateWithTheFormerHeadsIsContinuedWithThem) {
  const auto networks = Networks("paper");
  ASSERT_THAT(networks->Load(FormerState(Spec("paper"))), IsOk());
  EXPECT_EQ(networks->encoder().head_form(), HeadForm::kBatchNorm);
  networks->SetTraining();
  const TensorMap before = networks->encoder().Weights();
  const torch::Tensor x = Features(1).set_requires_grad(true);
  const torch::Tensor loss = networks->encoder().AttributeLogits(x).pow(2).mean() +
                             networks->DomainLogits(x, 1).pow(2).mean() +
                             networks->IdentityLogits(x).pow(2).mean();
  loss.backward();
  networks->Update(0.01);
  const TensorMap after = networks->encoder().Weights();
  EXPECT_NE(before.at("attribute_head.8.weight").bytes, after.at("attribute_head.8.weight").bytes)
      << "the optimizer moves the head that was loaded";
  // The state that it saves is continued in the same way.
  const auto again = Networks("paper");
  ASSERT_THAT(again->Load(networks->Save()), IsOk());
  EXPECT_EQ(SerializeSafetensors(again->encoder().Weights()), SerializeSafetensors(after));
}

std::map<std::string, torch::Tensor> Gradients(IhdaNetworks& networks) {
  std::map<std::string, torch::Tensor> gradients;
  for (const auto& item : networks.encoder().named_parameters()) {
    if (item.value().grad().defined()) gradients[item.key()] = item.value().grad().clone();
  }
  return gradients;
}

// The main objective pulls embeddings to 0, the meta objective away from it.
TEST(IhdaNetworksTest, MetaGradientsAreThoseOfTheUpdatedNetworksWhichAreThenAsTheyWere) {
  const auto networks = Networks("paper");
  networks->SetTraining();
  torch::manual_seed(1);
  const torch::Tensor images = torch::randn({4, 3, 64, 64});
  const auto square = [&] {
    return networks->Forward({images}, {v1::MODALITY_PHOTO})[0].embedding.pow(2).mean();
  };
  const torch::Tensor main = square();
  main.backward();
  const auto of_main = Gradients(*networks);
  const std::string before = SerializeSafetensors(networks->encoder().Weights());
  double meta = 0;
  std::map<std::string, torch::Tensor> of_meta;
  ASSERT_THAT(networks->AddMetaGradients(0.001,
                                         [&] {
                                           const torch::Tensor loss = -square();
                                           meta = loss.item<double>();
                                           loss.backward();
                                           of_meta = Gradients(*networks);
                                           return absl::OkStatus();
                                         }),
              IsOk());
  EXPECT_LT(-meta, 0.9 * main.item<double>()) << "the update made the main objective smaller";
  EXPECT_EQ(SerializeSafetensors(networks->encoder().Weights()), before)
      << "weights and statistics are as they were";
  const auto of_both = Gradients(*networks);
  EXPECT_EQ(of_both.size(), of_main.size());
  for (const auto& [name, gradient] : of_both) {
    EXPECT_TRUE(gradient.equal(of_main.at(name) + of_meta.at(name))) << name;
  }
}

TEST(IhdaNetworksTest, SizeOfTheFirstStateIsKnownBeforeItsUpdates) {
  const auto networks = Networks("paper");
  const uint64_t expected = networks->SavedBytes();
  for (const torch::Tensor& parameter : networks->encoder().parameters()) {
    parameter.mutable_grad() = torch::zeros_like(parameter);
  }
  const torch::Tensor x = Features(1).set_requires_grad(true);
  (networks->DomainLogits(x, 1).sum() + networks->IdentityLogits(x).sum()).backward();
  networks->Update(1e-3);
  const auto saved = static_cast<double>(networks->Save().size());
  EXPECT_NEAR(static_cast<double>(expected) / saved, 1, 0.05);
}

TEST(IhdaNetworksTest, OwnStateIsContinuedToTheSameBits) {
  for (const char* recipe : {"paper", "release"}) {
    const auto networks = Networks(recipe);
    const auto again = Networks(recipe);
    ASSERT_THAT(again->Load(networks->Save()), IsOk());
    EXPECT_EQ(again->encoder().head_form(), networks->encoder().head_form());
    EXPECT_EQ(SerializeSafetensors(again->encoder().Weights()),
              SerializeSafetensors(networks->encoder().Weights()));
  }
}

}  // namespace
}  // namespace s2p::test
