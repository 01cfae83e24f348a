// Gradients of small transformers and a small ConvNeXt against those of the programs that published
// the networks.
#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/backbone/backbone.h"
#include "model/backbone/convnext.h"
#include "model/backbone/vision_transformer.h"
#include "tests/model/backbone/golden_keys.h"
#include "tests/model/backbone/published_names.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/model/golden_weights.h"
#include "tests/testing/golden.h"
#include "tests/testing/golden_rule.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::ExpectClose;
using test::GoldenInputTensor;
using test::IsOk;
using test::Publisher;

constexpr char kFile[] = "vit.safetensors";

std::shared_ptr<Backbone> SmallClip() {
  v1::VisionTransformer t = test::SmallTransformer();
  t.set_patch_bias(false);
  t.set_pre_norm(true);
  t.set_activation(v1::ACTIVATION_QUICK_GELU);
  t.set_projection(32);
  t.set_norm_epsilon(1e-5);
  return CreateVisionTransformer(t, 4);
}

// The table of 4 x 4 positions is resampled to 2 x 3, as with registers.
std::shared_ptr<Backbone> SmallDino() {
  v1::VisionTransformer t = test::SmallTransformer();
  t.set_patch(14);
  t.set_registers(2);
  t.set_layer_scale(true);
  return CreateVisionTransformer(t, 4);
}

std::shared_ptr<Backbone> SmallSiglip() {
  v1::VisionTransformer t = test::SmallTransformer();
  t.set_class_token(false);
  t.set_activation(v1::ACTIVATION_GELU_TANH);
  t.set_attention_pool(true);
  return CreateVisionTransformer(t, 4);
}

std::shared_ptr<Backbone> SmallConvNext() {
  return CreateConvNext({{1, 1, 2, 1}, {16, 32, 48, 64}}, 4);
}

struct Reference {
  const char* name;
  std::function<std::shared_ptr<Backbone>()> create;
  Publisher publisher;
  int64_t height, width;
};

const Reference kReferences[] = {
    {"clip_small", SmallClip, Publisher::kClip, 32, 32},
    {"dinov2_small", SmallDino, Publisher::kOwn, 28, 42},
    {"siglip_small", SmallSiglip, Publisher::kOwn, 32, 32},
    {"convnext_small", SmallConvNext, Publisher::kOwn, 64, 64},
};

class GoldenGradientTest : public testing::TestWithParam<Reference> {
 protected:
  // Runs the reference program's loss backward in this type.
  void Run(torch::ScalarType type) {
    const std::string name = GetParam().name;
    network_ = GetParam().create();
    test::FillAsPublished(GetParam().publisher, *network_);
    network_->to(type);
    input_ = GoldenInputTensor(absl::StrCat("grad.", name, ".input"),
                               {3, 3, GetParam().height, GetParam().width})
                 .to(type)
                 .requires_grad_();
    embedding_ = network_->Forward(input_).summary;
    // The rule for inputs has [-2, 2), the classes [-1, 1).
    const torch::Tensor classes =
        GoldenInputTensor(absl::StrCat("grad.", name, ".classes"), {5, embedding_.size(1)}) / 2;
    const torch::Tensor norms = embedding_.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
    logits_ = 10 * torch::matmul(embedding_ / norms, classes.to(type).t());
    loss_ = torch::nn::functional::cross_entropy(logits_, torch::tensor({0, 3, 1}, torch::kInt64));
    loss_.backward();
  }
  torch::Tensor Golden(const std::string& name) const {
    const bool exact = input_.scalar_type() == torch::kFloat64;
    return ToTorch(
        golden_.at(absl::StrCat("grad/", GetParam().name, "/", name, exact ? ".f64" : "")));
  }
  void Expect(const torch::Tensor& got, const std::string& name, double relative) const {
    const bool exact = got.scalar_type() == torch::kFloat64;
    ExpectClose(got.detach(), Golden(name), exact ? 1e-10 : relative, exact ? 1e-13 : 1e-8,
                absl::StrCat("grad/", GetParam().name, "/", name, exact ? ".f64" : ""), kFile);
  }
  // Sum, sum of magnitudes and greatest magnitude.
  static torch::Tensor Sums(const torch::Tensor& g) {
    return torch::stack({g.sum(), g.abs().sum(), g.abs().max()});
  }
  // `count` values from the first to the last, evenly.
  static torch::Tensor Values(const torch::Tensor& gradient, int64_t count) {
    const torch::Tensor flat = gradient.flatten();
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < count; ++i) positions.push_back(i * (flat.numel() - 1) / (count - 1));
    return flat.index_select(0, torch::tensor(positions));
  }
  // Compares the gradient of each parameter with the row that the list of keys gives it.
  void ExpectParameterGradients(const std::string& keys_path) const {
    std::map<std::string, torch::Tensor> gradients;
    for (const auto& parameter : network_->named_parameters()) {
      gradients[test::PublishedName(GetParam().publisher, parameter.key())] =
          test::PublishedForm(GetParam().publisher, parameter.key(), parameter.value().grad());
    }
    const bool exact = input_.scalar_type() == torch::kFloat64;
    const torch::Tensor sums = Golden("param_sums"), values = Golden("param_values");
    size_t found = 0;
    for (const auto& [name, row] : test::ReadRows(keys_path)) {
      const auto gradient = gradients.find(name);
      if (gradient == gradients.end()) continue;
      ++found;
      const double scale = sums[row][2].item<double>();
      const double relative = exact ? 1e-9 : 1e-4;
      const torch::Tensor got = Sums(gradient->second);
      EXPECT_LE((Values(gradient->second, 8) - values[row]).abs().max().item<double>(),
                relative * scale)
          << name;
      EXPECT_LE(std::abs((got[0] - sums[row][0]).item<double>()),
                relative * sums[row][1].item<double>())
          << name;
      EXPECT_LE(std::abs((got[1] - sums[row][1]).item<double>()),
                relative * sums[row][1].item<double>())
          << name;
      EXPECT_LE(std::abs(got[2].item<double>() - scale), relative * scale) << name;
    }
    EXPECT_EQ(found, gradients.size());
  }
  void ExpectAll(const std::string& keys_path) const {
    Expect(embedding_, "embedding", 1e-4);
    Expect(logits_, "logits", 1e-4);
    Expect(loss_, "loss", 1e-5);
    Expect(Sums(input_.grad()), "input_sums", 1e-4);
    Expect(Values(input_.grad(), 64), "input_values", 1e-4);
    ExpectParameterGradients(keys_path);
  }

  TensorMap golden_;
  std::shared_ptr<Backbone> network_;
  torch::Tensor input_, embedding_, logits_, loss_;
};

TEST_P(GoldenGradientTest, AreTheReferenceProgramsInBothTypes) {
  S2P_GOLDEN_OR_SKIP(path, kFile);
  S2P_GOLDEN_OR_SKIP(keys, absl::StrCat("keys_", GetParam().name, ".txt"));
  const auto golden = ReadSafetensors(path);
  ASSERT_THAT(golden, IsOk());
  golden_ = *golden;
  for (const auto type : {torch::kFloat32, torch::kFloat64}) {
    SCOPED_TRACE(torch::toString(type));
    Run(type);
    ExpectAll(keys);
  }
}

INSTANTIATE_TEST_SUITE_P(Small, GoldenGradientTest, testing::ValuesIn(kReferences),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace s2p
