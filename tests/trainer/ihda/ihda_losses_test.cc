#include "trainer/ihda/ihda_losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/linear.h>
#include <torch/nn/functional/normalization.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/golden_tensors.h"
#include "trainer/optimization/gradient_reversal.h"
#include "trainer/optimization/learning_rate.h"
#include "trainer/optimization/losses.h"

namespace s2p::test {
namespace {

// The last batch of the epoch. The step is as long as it takes for both recipes to reverse alike:
// the golden coefficients are those of p = update / 10000.
TrainingPlace At(int epoch, int64_t update) {
  TrainingPlace place;
  place.epoch = epoch;
  place.epochs = static_cast<int>((epoch + 1) * 10000 / update);
  place.batches = 1;
  place.update = update;
  return place;
}

// The sums of both steps against the reference program's, with linear heads on feat2 in float64.
class IhdaLossesGoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    S2P_GOLDEN_OR_SKIP(path, "losses.safetensors");
    golden_ = std::make_unique<GoldenTensors>(path);
    for (const char* name : {"cls", "att", "dom"}) {
      for (const char* part : {".weight", ".bias"}) {
        leaves_[absl::StrCat(name, part)] = golden_->Leaf(absl::StrCat("in/", name, part));
      }
    }
    for (const char* name : {"source", "photo", "sketch"}) {
      for (const char* layer : {"feat1_", "feat2_"}) {
        leaves_[absl::StrCat(layer, name)] = golden_->Leaf(absl::StrCat("in/", layer, name));
      }
    }
  }
  torch::Tensor In(const std::string& name) const { return (*golden_)["in/" + name]; }
  torch::Tensor Linear(const std::string& head, const torch::Tensor& x) const {
    return torch::nn::functional::linear(x, leaves_.at(head + ".weight"),
                                         leaves_.at(head + ".bias"));
  }
  DualEncoderOutput Features(const std::string& of) const {
    return {leaves_.at("feat1_" + of), leaves_.at("feat2_" + of)};
  }
  LossHeads Heads() const {
    LossHeads heads;
    heads.identities = [this](const torch::Tensor& v) { return Linear("cls", v); };
    heads.attributes = [this](const torch::Tensor& v) { return Linear("att", v); };
    heads.domains = [this](const torch::Tensor& v, double coefficient) {
      return Linear("dom", ReverseGradient(v, coefficient));
    };
    return heads;
  }
  static v1::TrainingSpec Spec(v1::Recipe recipe) {
    v1::TrainingSpec spec;
    spec.set_recipe(recipe);
    auto& loss = *spec.mutable_loss();
    loss.set_identity(1);
    loss.set_triplet(1);
    loss.set_attribute(0.1);
    loss.set_attribute_entropy(0.1);
    loss.set_consistency(0.1);
    loss.set_domain(0.1);
    loss.set_margin(0.3);
    loss.set_label_smoothing(recipe == v1::RECIPE_RELEASE ? 0.1 : 0);
    spec.mutable_step1()->set_attribute_factor(recipe == v1::RECIPE_RELEASE ? 10 : 1);
    spec.mutable_step2()->set_attribute_factor(1);
    spec.mutable_step1()->set_triplet_from_epoch(10);
    spec.mutable_step2()->set_triplet_from_epoch(30);
    return spec;
  }
  LossSum Step1(v1::Recipe recipe, int epoch) const {
    return Step1Losses(
        Spec(recipe),
        {Features("source"), In("label_source"), In("att_source").to(torch::kFloat64)},
        At(epoch, 1), Heads());
  }
  LossSum Step2(v1::Recipe recipe, int epoch, int64_t update, const LossHeads& heads) const {
    Step2Batch batch;
    batch.photo = Features("photo");
    batch.sketch = Features("sketch");
    batch.labels = In("label_target");
    batch.source = Features("source");
    batch.source_attributes = In("att_source").to(torch::kFloat64);
    return Step2Losses(Spec(recipe), batch, At(epoch, update), heads);
  }
  // Value, and the gradient of every leaf whose gradient the file has; `suffix` marks features.
  void Expect(const LossSum& sum, const std::string& prefix, const std::string& suffix = "") {
    for (auto& item : leaves_) item.second.mutable_grad() = torch::Tensor();
    const torch::Tensor total = sum.Total();
    golden_->ExpectNear(total, prefix + "/value.f64", 1e-6);
    total.backward();
    int compared = 0;
    for (const auto& [name, leaf] : leaves_) {
      for (const std::string& entry : {absl::StrCat(prefix, "/grad/", name, suffix, ".f64"),
                                       absl::StrCat(prefix, "/grad/", name, ".f64")}) {
        if (!golden_->Has(entry)) continue;
        ++compared;
        ASSERT_TRUE(leaf.grad().defined()) << entry;
        golden_->ExpectNear(leaf.grad(), entry, 1e-6);
        break;
      }
    }
    EXPECT_GE(compared, 5) << prefix;
  }

  std::unique_ptr<GoldenTensors> golden_;
  std::map<std::string, torch::Tensor> leaves_;
};

TEST_F(IhdaLossesGoldenTest, Step1OfTheReleaseWithTriplet) {
  Expect(Step1(v1::RECIPE_RELEASE, 10), "total_step1/code");
}

TEST_F(IhdaLossesGoldenTest, Step1OfTheReleaseBeforeTheTripletBegins) {
  Expect(Step1(v1::RECIPE_RELEASE, 9), "total_step1/code_softmax");
}

TEST_F(IhdaLossesGoldenTest, Step1OfThePaper) {
  Expect(Step1(v1::RECIPE_PAPER, 10), "total_step1/paper");
}

TEST_F(IhdaLossesGoldenTest, Step2OfTheReleaseAtThreeUpdates) {
  for (const int64_t update : {1, 100, 10000}) {
    const std::string suffix = absl::StrCat("@it", update);
    Expect(Step2(v1::RECIPE_RELEASE, 30, update, Heads()), "total_step2/code", suffix);
    Expect(Step2(v1::RECIPE_RELEASE, 29, update, Heads()), "total_step2/code_softmax", suffix);
  }
}

TEST_F(IhdaLossesGoldenTest, Step2OfThePaperAtThreeUpdates) {
  for (const int64_t update : {1, 100, 10000}) {
    Expect(Step2(v1::RECIPE_PAPER, 30, update, Heads()), "total_step2/paper",
           absl::StrCat("@it", update));
  }
}

TEST_F(IhdaLossesGoldenTest, Step2WithAFullReversal) {
  LossHeads heads = Heads();
  heads.domains = [this](const torch::Tensor& v, double) {
    return Linear("dom", ReverseGradient(v, 1));
  };
  Expect(Step2(v1::RECIPE_RELEASE, 30, 1, heads), "total_step2/code", "@c1");
  Expect(Step2(v1::RECIPE_PAPER, 30, 1, heads), "total_step2/paper", "@c1");
}

// The names of a sum's terms.
std::vector<std::string> Terms(const LossSum& sum) {
  std::vector<std::pair<std::string, double>> values;
  EXPECT_THAT(sum.Read(values), IsOk());
  std::vector<std::string> names;
  for (const auto& value : values) names.push_back(value.first);
  names.pop_back();  // "total"
  return names;
}

class IhdaLossesTest : public testing::Test {
 protected:
  static DualEncoderOutput Features(uint64_t seed) {
    torch::manual_seed(seed);
    return {torch::randn({4, 6}), torch::randn({4, 8})};
  }
  static LossHeads Heads() {
    LossHeads heads;
    const auto first = [](int64_t n) {
      return [n](const torch::Tensor& v) { return v.slice(1, 0, n); };
    };
    heads.identities = first(4);
    heads.attributes = first(3);
    heads.domains = [](const torch::Tensor& v, double) { return v.slice(1, 0, 3); };
    heads.retrieval_feature = [](const torch::Tensor& v) {
      return torch::nn::functional::normalize(v);
    };
    return heads;
  }
  Step2Batch Batch() const {
    return {Features(1),         Features(2),
            torch::arange(4),    Features(3),
            torch::ones({4, 3}), torch::tensor({0, 1, 2, 3, 2, 0}, torch::kLong).view({2, 3})};
  }
  static v1::TrainingSpec AllTerms() {
    v1::TrainingSpec spec;
    auto& loss = *spec.mutable_loss();
    for (auto set :
         {&v1::TrainingSpec::LossSpec::set_identity, &v1::TrainingSpec::LossSpec::set_triplet,
          &v1::TrainingSpec::LossSpec::set_attribute,
          &v1::TrainingSpec::LossSpec::set_attribute_entropy,
          &v1::TrainingSpec::LossSpec::set_consistency, &v1::TrainingSpec::LossSpec::set_domain,
          &v1::TrainingSpec::LossSpec::set_contrastive}) {
      (loss.*set)(1);
    }
    loss.mutable_photo_neighbours()->set_weight(1);
    loss.set_temperature(0.1);
    spec.mutable_step1()->set_attribute_factor(1);
    spec.mutable_step1()->set_images_per_identity(2);
    spec.mutable_step2()->set_attribute_factor(1);
    return spec;
  }
};

TEST_F(IhdaLossesTest, EachWeightOfZeroTakesOutItsTermAndNoOther) {
  const std::vector<std::string> all = Terms(Step2Losses(AllTerms(), Batch(), At(0, 1), Heads()));
  ASSERT_EQ(all,
            (std::vector<std::string>{"identity", "triplet", "attribute", "attribute_entropy",
                                      "consistency", "domain", "contrastive", "photo_neighbours"}));
  for (const std::string& term : all) {
    v1::TrainingSpec spec = AllTerms();
    const auto* field = spec.loss().GetDescriptor()->FindFieldByName(term);
    ASSERT_NE(field, nullptr) << term;
    // A term with fields of its own has its weight there.
    if (field->message_type() != nullptr) {
      spec.loss().GetReflection()->ClearField(spec.mutable_loss(), field);
    } else {
      spec.loss().GetReflection()->SetDouble(spec.mutable_loss(), field, 0);
    }
    std::vector<std::string> rest = all;
    rest.erase(std::find(rest.begin(), rest.end(), term));
    EXPECT_EQ(Terms(Step2Losses(spec, Batch(), At(0, 1), Heads())), rest) << term;
  }
}

TEST_F(IhdaLossesTest, AttributeFactorOfZeroTurnsTheTermOffInThatStepAlone) {
  v1::TrainingSpec spec = AllTerms();
  spec.mutable_step2()->set_attribute_factor(0);
  const auto step2 = Terms(Step2Losses(spec, Batch(), At(0, 1), Heads()));
  EXPECT_EQ(std::count(step2.begin(), step2.end(), "attribute"), 0);
  const auto step1 = Terms(Step1Losses(
      spec, {Features(1), torch::tensor({0, 0, 1, 1}), torch::ones({4, 3})}, At(0, 1), Heads()));
  EXPECT_EQ(std::count(step1.begin(), step1.end(), "attribute"), 1);
}

TEST_F(IhdaLossesTest, WithoutASourceNoTermLooksAtOne) {
  Step2Batch batch = Batch();
  batch.source = {};
  EXPECT_EQ(Terms(Step2Losses(AllTerms(), batch, At(0, 1), Heads())),
            (std::vector<std::string>{"identity", "triplet", "attribute_entropy", "consistency",
                                      "contrastive", "photo_neighbours"}));
}

TEST_F(IhdaLossesTest, WithoutAttributesNoTermAsksForThem) {
  LossHeads heads = Heads();
  heads.attributes = nullptr;
  EXPECT_EQ(Terms(Step2Losses(AllTerms(), Batch(), At(0, 1), heads)),
            (std::vector<std::string>{"identity", "triplet", "domain", "contrastive",
                                      "photo_neighbours"}));
}

TEST_F(IhdaLossesTest, BatchWithoutTripletsHasNoTermOfThem) {
  Step2Batch batch = Batch();
  batch.photo_triplets = torch::Tensor();
  const auto terms = Terms(Step2Losses(AllTerms(), batch, At(0, 1), Heads()));
  EXPECT_EQ(std::count(terms.begin(), terms.end(), "photo_neighbours"), 0);
}

TEST_F(IhdaLossesTest, PhotosAreRankedByWhatRetrievalCompares) {
  v1::TrainingSpec spec;
  spec.mutable_loss()->mutable_photo_neighbours()->set_weight(10);
  const Step2Batch batch = Batch();
  const auto unit = Heads().retrieval_feature;
  const auto value = [&](double margin) {
    return 10 * PhotoNeighbourLoss(unit(batch.sketch.embedding), unit(batch.photo.embedding),
                                   batch.photo_triplets, margin)
                    .item<double>();
  };
  const auto total = [&] {
    return Step2Losses(spec, batch, At(0, 1), Heads()).Total().item<double>();
  };
  EXPECT_NEAR(total(), value(0.01), 1e-6) << "the default margin";
  spec.mutable_loss()->mutable_photo_neighbours()->set_margin(1);
  EXPECT_NEAR(total(), value(1), 1e-6);
  EXPECT_GT(value(1), value(0.01));
}

TEST_F(IhdaLossesTest, WithTheMetaStepThePhotosAreRankedInTheMetaObjective) {
  v1::TrainingSpec spec = AllTerms();
  EXPECT_TRUE(Step2MetaLosses(spec, Batch(), Heads()).empty());
  const double at_once = Step2Losses(spec, Batch(), At(0, 1), Heads()).Total().item<double>();
  spec.mutable_loss()->mutable_photo_neighbours()->set_meta_step(true);
  const LossSum main = Step2Losses(spec, Batch(), At(0, 1), Heads());
  const auto terms = Terms(main);
  EXPECT_EQ(std::count(terms.begin(), terms.end(), "photo_neighbours"), 0);
  Step2Batch pairs;
  pairs.photo = Batch().photo;
  pairs.sketch = Batch().sketch;
  pairs.photo_triplets = Batch().photo_triplets;
  const LossSum meta = Step2MetaLosses(spec, pairs, Heads());
  EXPECT_EQ(Terms(meta), (std::vector<std::string>{"photo_neighbours"}));
  EXPECT_NEAR(main.Total().item<double>() + meta.Total().item<double>(), at_once, 1e-5);
}

// Rows that a head sees in each of its passes.
class Passes {
 public:
  std::function<torch::Tensor(const torch::Tensor&)> Count(
      std::function<torch::Tensor(const torch::Tensor&)> head) {
    return [this, head](const torch::Tensor& v) {
      rows_.push_back(v.size(0));
      return head(v);
    };
  }
  const std::vector<int64_t>& rows() const { return rows_; }

 private:
  std::vector<int64_t> rows_;
};

// A batch norm in front of the head would else train on the statistics of one modality at a time,
// and be used with those of both.
TEST_F(IhdaLossesTest, NeckSeesPhotosAndSketchesInOnePass) {
  for (const v1::Recipe recipe : {v1::RECIPE_PAPER, v1::RECIPE_RELEASE}) {
    v1::TrainingSpec spec = AllTerms();
    spec.set_recipe(recipe);
    Passes identities, features;
    LossHeads heads = Heads();
    heads.identities = identities.Count(heads.identities);
    heads.retrieval_feature = features.Count(heads.retrieval_feature);
    Step2Losses(spec, Batch(), At(0, 1), heads);
    EXPECT_THAT(identities.rows(), testing::ElementsAre(8));
    EXPECT_THAT(features.rows(), testing::ElementsAre(8));
  }
}

// The golden sums have a linear C_d, which cannot tell one pass from three.
TEST_F(IhdaLossesTest, ReleaseShowsItsDomainClassifierOneDomainAtATime) {
  torch::nn::Sequential classifier(torch::nn::BatchNorm1d(8), torch::nn::Linear(8, 3));
  LossHeads heads = Heads();
  heads.domains = [&](const torch::Tensor& v, double) { return classifier->forward(v); };
  const Step2Batch batch = Batch();
  const std::vector<torch::Tensor> parts = {batch.source.embedding, batch.photo.embedding,
                                            batch.sketch.embedding};
  const torch::Tensor domains = torch::tensor({0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2}, torch::kLong);
  for (const v1::Recipe recipe : {v1::RECIPE_PAPER, v1::RECIPE_RELEASE}) {
    v1::TrainingSpec spec;
    spec.set_recipe(recipe);
    spec.mutable_loss()->set_domain(1);
    std::vector<torch::Tensor> logits;
    for (const torch::Tensor& part : parts) logits.push_back(classifier->forward(part));
    const torch::Tensor want =
        recipe == v1::RECIPE_RELEASE
            ? release::DomainLoss(torch::cat(logits), domains)
            : paper::DomainLoss(classifier->forward(torch::cat(parts)), domains);
    const torch::Tensor got = Step2Losses(spec, batch, At(0, 1), heads).Total();
    EXPECT_NEAR(got.item<double>(), want.item<double>(), 1e-6) << v1::Recipe_Name(recipe);
  }
}

TEST_F(IhdaLossesTest, TripletWaitsForItsEpochInEachStep) {
  v1::TrainingSpec spec = AllTerms();
  spec.mutable_step2()->set_triplet_from_epoch(3);
  const auto count = [&](int epoch) {
    const auto terms = Terms(Step2Losses(spec, Batch(), At(epoch, 1), Heads()));
    return std::count(terms.begin(), terms.end(), "triplet");
  };
  EXPECT_EQ(count(2), 0);
  EXPECT_EQ(count(3), 1);
}

}  // namespace
}  // namespace s2p::test
