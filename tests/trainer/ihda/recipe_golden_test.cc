// What the recipes differ in apart from their updates, against make_update_golden.py: with which
// values the heads begin, and what comes into a picture from outside.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/message_text.h"
#include "image/image.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/golden_tensors.h"
#include "trainer/data/augmentation.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/recipe.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

constexpr int kIdentities = 4;

std::unique_ptr<IhdaNetworks> Networks(const std::string& recipe) {
  v1::TrainingSpec spec;
  spec.set_preset("demo");
  for (const std::string& field :
       {"recipe=" + recipe, std::string("embedding.grid=1"), std::string("embedding.dimension=16"),
        std::string("loss.identity=1")}) {
    EXPECT_THAT(SetMessageField(field, spec), IsOk()) << field;
  }
  spec = *ResolveSpec(spec);
  torch::manual_seed(1);
  auto networks =
      *IhdaNetworks::Create(spec, *ManifestOf(spec, {"boots", "laces", "heel"}), torch::kCPU);
  networks->BeginStep(1, kIdentities);
  return networks;
}

class InitialValuesGoldenTest : public testing::TestWithParam<const char*> {};

TEST_P(InitialValuesGoldenTest, HeadsBeginWithTheSpreadOfTheRecipe) {
  S2P_GOLDEN_OR_SKIP(path, "updates.safetensors");
  const GoldenTensors golden(path);
  const auto networks = Networks(GetParam());
  int compared = 0;
  const auto compare = [&](const std::string& name, const torch::Tensor& tensor) {
    const std::string key = absl::StrCat("initial/", GetParam(), "/", name);
    ASSERT_TRUE(golden.Has(key)) << key;
    const torch::Tensor numbers = tensor.detach().to(torch::kFloat64);
    // Four standard errors and more: that of the deviation is 0.71 of it by the square root of the
    // count for a normal distribution, and smaller for a uniform one.
    const double error = 4 * golden[key][0].item<double>() /
                         std::sqrt(static_cast<double>(std::max<int64_t>(numbers.numel(), 2)));
    golden.ExpectWithin(torch::stack({numbers.std(/*unbiased=*/false), numbers.abs().mean()}), key,
                        error + 1e-12);
    ++compared;
  };
  for (const auto& item : networks->encoder().named_parameters()) {
    if (item.key().rfind("attribute_head.", 0) == 0) compare(item.key(), item.value());
  }
  for (const auto& item : networks->domain_classifier()->named_parameters()) {
    compare("domain_classifier." + item.key(), item.value());
  }
  for (const auto& item : networks->identity_classifier()->named_parameters()) {
    compare("identity_classifier." + item.key(), item.value());
  }
  EXPECT_EQ(compared, GetParam() == std::string("paper") ? 6 + 6 + 2 : 10 + 10 + 2);
}

INSTANTIATE_TEST_SUITE_P(Recipes, InitialValuesGoldenTest, testing::Values("paper", "release"),
                         [](const auto& test) { return std::string(test.param); });

// Whose three channels are equal.
Image Picture(const torch::Tensor& levels) {
  Image image(static_cast<int>(levels.size(1)), static_cast<int>(levels.size(0)));
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      std::fill_n(image.row(y) + 3 * x, 3, static_cast<uint8_t>(levels[y][x].item<int64_t>()));
    }
  }
  return image;
}

bool IsPartOf(const Image& whole, int left, int top, const Image& part) {
  for (int y = 0; y < part.height(); ++y) {
    if (!std::equal(part.row(y), part.row(y) + 3 * part.width(), whole.row(top + y) + 3 * left)) {
      return false;
    }
  }
  return true;
}

TEST(PaddingGoldenTest, ReleaseCutsEveryPartOfThePaddedPicture) {
  S2P_GOLDEN_OR_SKIP(path, "updates.safetensors");
  const GoldenTensors golden(path);
  const Image picture = Picture(golden["picture"]), padded = Picture(golden["padded"]);
  const int steps_x = padded.width() - picture.width() + 1;
  const int steps_y = padded.height() - picture.height() + 1;
  v1::TrainingSpec::AugmentationSpec spec;
  spec.set_crop_padding(2.0 / picture.height());
  for (const v1::Modality modality : {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH}) {
    std::set<std::pair<int, int>> seen;
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      const Image cut = Augment(spec,
                                {seed, modality, /*mirror=*/false, /*paired=*/false,
                                 RecipeOf(v1::RECIPE_RELEASE).augmentation_style},
                                picture);
      int found = 0;
      for (int left = 0; left < steps_x; ++left) {
        for (int top = 0; top < steps_y; ++top) {
          if (!IsPartOf(padded, left, top, cut)) continue;
          seen.emplace(left, top);
          ++found;
        }
      }
      ASSERT_EQ(found, 1) << seed;
    }
    EXPECT_EQ(seen.size(), static_cast<size_t>(steps_x * steps_y));
  }
}

}  // namespace
}  // namespace s2p::test
