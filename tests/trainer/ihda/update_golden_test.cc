// Updates of whole networks, against those of make_update_golden.py: terms, gradients through
// heads, neck, projection and encoders, the reversal's and the rate's schedule.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/dropout.h>
#include <torch/types.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/message_text.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/golden_tensors.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/ihda/recipe.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

constexpr int kUpdates = 4, kBatches = 2;
constexpr int kIdentities = 4, kAttributes = 3;
// The golden numbers are of float64. Adam's first updates are as long for a gradient that is nearly
// 0 as for any other, so that rounding grows from update to update.
constexpr double kTolerance[kUpdates] = {1e-4, 1e-3, 2e-3, 4e-3};

// Numbers in [-1, 1) that follow from the name, as `values` in make_update_golden.py.
torch::Tensor Values(const std::string& name, torch::IntArrayRef shape) {
  const torch::Tensor numbers = torch::empty(shape, torch::kFloat64);
  uint64_t state = std::stoull(Sha256(name).substr(0, 16), nullptr, 16);
  for (int64_t i = 0; i < numbers.numel(); ++i, state += 0x9E3779B97F4A7C15) {
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    numbers.data_ptr<double>()[i] = static_cast<double>(z >> 40) / (1 << 23) - 1;
  }
  return numbers;
}

torch::Tensor Images(const std::string& name, int count) {
  return Values(name, {count, 3, 32, 32}).to(torch::kFloat32);
}

torch::Tensor Weights(const std::string& name, const torch::Tensor& like) {
  const torch::Tensor numbers = Values(name, like.sizes());
  if (like.dim() > 1) {
    return numbers *
           std::sqrt(6.0 * static_cast<double>(like.size(0)) / static_cast<double>(like.numel()));
  }
  return 0.1 * numbers + (absl::EndsWith(name, "weight") ? 1 : 0);
}

class UpdateGoldenTest : public testing::TestWithParam<const char*> {
 protected:
  std::string recipe() const { return GetParam(); }
  bool is_paper() const { return recipe() == "paper"; }

  // Networks whose weights follow from their names. Dropout is off, and the identity term of the
  // release with it.
  std::unique_ptr<IhdaNetworks> Networks(int ihda_step) {
    spec_.set_preset("demo");
    for (const std::string& field :
         std::vector<std::string>{"recipe=" + recipe(), "backbone.shared=false", "embedding.grid=1",
                                  "embedding.dimension=16", "embedding.neck=batch_norm",
                                  "embedding.retrieval_feature=neck", "photo.height=32",
                                  "photo.width=32", "sketch.height=32", "sketch.width=32"}) {
      EXPECT_THAT(SetMessageField(field, spec_), IsOk()) << field;
    }
    spec_ = *ResolveSpec(spec_);
    auto& loss = *spec_.mutable_loss();
    loss.set_identity(is_paper() ? 1.5 : 0);
    loss.set_triplet(0.7);
    loss.set_attribute(0.2);
    loss.set_attribute_entropy(0.3);
    loss.set_consistency(0.4);
    loss.set_domain(0.6);
    loss.set_contrastive(0.8);
    loss.set_temperature(0.1);
    loss.set_margin(0.3);
    loss.set_label_smoothing(0);
    for (auto* step : {spec_.mutable_step1(), spec_.mutable_step2()}) {
      step->set_epochs(kUpdates / kBatches);
      step->set_learning_rate(1e-6);
      step->set_encoder_rate_factor(1);
      step->set_attribute_factor(1);
      step->set_weight_decay(0);
      step->set_gradient_clip(0);
      step->set_triplet_from_epoch(0);
      step->set_warmup_epochs(1);
      step->set_cosine(is_paper());
    }
    spec_.mutable_step1()->set_images_per_identity(2);
    spec_.mutable_step1()->set_attribute_factor(10);
    if (!is_paper()) spec_.mutable_step2()->set_triplet_from_epoch(1);
    spec_.mutable_release()->set_step1_single_image_epochs(0);
    auto networks =
        *IhdaNetworks::Create(spec_, *ManifestOf(spec_, {"boots", "laces", "heel"}), torch::kCPU);
    networks->BeginStep(ihda_step, kIdentities);
    {
      torch::NoGradGuard no_grad;
      for (auto& [name, parameter] : Parameters(*networks)) {
        parameter.copy_(Weights(name, parameter));
      }
    }
    networks->SetTraining();
    for (const auto& module : networks->encoder().modules()) {
      if (auto* dropout = module->as<torch::nn::Dropout>()) dropout->eval();
    }
    return networks;
  }

  // All parameters, by the names that the golden program gives them.
  static std::map<std::string, torch::Tensor> Parameters(IhdaNetworks& networks) {
    std::map<std::string, torch::Tensor> parameters;
    const auto add = [&parameters](const std::string& prefix, const torch::nn::Module& part) {
      for (const auto& parameter : part.named_parameters()) {
        parameters.emplace(prefix + parameter.key(), parameter.value());
      }
    };
    add("", networks.encoder());
    add("domain_classifier.", *networks.domain_classifier());
    add("identity_classifier.", *networks.identity_classifier());
    return parameters;
  }

  LossSum Losses(IhdaNetworks& networks, const TrainingPlace& place) const {
    const torch::Tensor attributes =
        (Values("attributes", {2 * kIdentities, kAttributes}) > 0).to(torch::kFloat32);
    const torch::Tensor source = Images("source", 2 * kIdentities);
    if (place.ihda_step == 1) {
      return Step1Losses(spec_,
                         {networks.Forward({source}, {v1::MODALITY_PHOTO})[0],
                          torch::arange(kIdentities).repeat_interleave(2), attributes},
                         place, HeadsOf(networks));
    }
    const std::vector<DualEncoderOutput> outputs =
        networks.Forward({Images("photos", kIdentities), Images("sketches", kIdentities), source},
                         {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH, v1::MODALITY_PHOTO});
    Step2Batch batch;
    batch.photo = outputs[0];
    batch.sketch = outputs[1];
    batch.source = outputs[2];
    batch.labels = torch::arange(kIdentities);
    batch.source_attributes = attributes;
    return Step2Losses(spec_, batch, place, HeadsOf(networks));
  }

  static size_t TermsOf(const GoldenTensors& golden, const std::string& at) {
    size_t count = 0;
    for (const char* name : {"identity", "triplet", "attribute", "attribute_entropy", "consistency",
                             "domain", "contrastive"}) {
      count += golden.Has(absl::StrCat(at, "term/", name)) ? 1 : 0;
    }
    return count;
  }

  // Compares the gradient of each part.
  static void ExpectGradients(IhdaNetworks& networks, const GoldenTensors& golden,
                              const std::string& at, double tolerance) {
    std::map<std::string, std::pair<double, double>> parts;
    for (const auto& [name, parameter] : Parameters(networks)) {
      if (!parameter.grad().defined()) continue;
      auto& [squares, product] = parts[name.substr(0, name.find('.'))];
      const torch::Tensor gradient = parameter.grad().to(torch::kFloat64);
      squares += gradient.pow(2).sum().item<double>();
      product += (gradient * Values("along " + name, gradient.sizes())).sum().item<double>();
    }
    for (const char* part : {"photo_encoder", "sketch_encoder", "projection", "neck",
                             "attribute_head", "domain_classifier", "identity_classifier"}) {
      const std::pair<double, double> sums = parts[part];
      const torch::Tensor norm = torch::full({1}, std::sqrt(sums.first), torch::kFloat64);
      // A part that no term of the step moves is not in the file.
      ASSERT_EQ(norm.item<double>() > 0, golden.Has(absl::StrCat(at, "norm/", part))) << at << part;
      if (norm.item<double>() == 0) continue;
      golden.ExpectNear(norm, absl::StrCat(at, "norm/", part), tolerance);
      golden.ExpectWithin(torch::full({1}, sums.second, torch::kFloat64),
                          absl::StrCat(at, "product/", part), tolerance * norm.item<double>());
    }
  }

  void ExpectUpdates(int ihda_step) {
    S2P_GOLDEN_OR_SKIP(path, "updates.safetensors");
    const GoldenTensors golden(path);
    const auto networks = Networks(ihda_step);
    TrainingPlace place;
    place.ihda_step = ihda_step;
    place.epochs = kUpdates / kBatches;
    place.batches = kBatches;
    for (int update = 0; update < kUpdates; ++update) {
      place.epoch = update / kBatches;
      place.batch = update % kBatches;
      place.update = update + 1;
      const std::string at = absl::StrCat(recipe(), ihda_step, "/", update, "/");
      const LossSum sum = Losses(*networks, place);
      std::vector<std::pair<std::string, double>> terms;
      ASSERT_THAT(sum.Read(terms), IsOk());
      EXPECT_EQ(terms.size() - 1, TermsOf(golden, at)) << at;
      for (const auto& [name, value] : terms) {
        if (name == "total") continue;
        golden.ExpectNear(torch::full({1}, value, torch::kFloat64), at + "term/" + name,
                          kTolerance[update]);
      }
      sum.Total().backward();
      ExpectGradients(*networks, golden, at, 10 * kTolerance[update]);
      const Recipe& rules = RecipeOf(spec_.recipe());
      golden.ExpectWithin(torch::full({1}, rules.reversal_coefficient(place), torch::kFloat64),
                          at + "coefficient", 1e-12);
      const double rate = rules.learning_rate(spec_, place);
      golden.ExpectWithin(torch::full({1}, rate, torch::kFloat64), at + "rate", 1e-15);
      networks->Update(rate);
    }
  }

  v1::TrainingSpec spec_;
};

TEST_P(UpdateGoldenTest, Step1) { ExpectUpdates(1); }

TEST_P(UpdateGoldenTest, Step2) { ExpectUpdates(2); }

INSTANTIATE_TEST_SUITE_P(Recipes, UpdateGoldenTest, testing::Values("paper", "release"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace s2p::test
