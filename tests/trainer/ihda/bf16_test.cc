// Training with precision BF16 on the CPU.
#include <gmock/gmock.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "model/torch_device.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/spec/training_spec.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Bf16Test : public TinyRunTest {
 protected:
  static v1::TrainingSpec Bf16() { return With(Spec(), {"precision=BF16"}); }
  // Loss terms of the first update of step 2.
  std::map<std::string, double> FirstLosses(const v1::TrainingSpec& spec) {
    std::map<std::string, double> values;
    IhdaTrainerOptions options;
    options.observer.on_progress = [&](const v1::TrainingProgress& progress) {
      for (const v1::LossTerm& term : progress.losses()) values.emplace(term.name(), term.value());
    };
    options.observer.stop = [&] { return !values.empty(); };
    // With a margin as large as the distances, the triplet loss is not a small difference of them,
    // whose relative error would say nothing.
    auto trainer = Create(With(spec, {"step1.epochs=0", "loss.margin=10"}), options);
    EXPECT_THAT(trainer, IsOk());
    EXPECT_TRUE(absl::IsCancelled((*trainer)->Run()));
    return values;
  }
};

TEST_F(Bf16Test, IsRefusedWhereItWouldBeSlow) {
  const auto trainer = Create(Bf16());
  EXPECT_EQ(trainer.ok(), CheckBf16(torch::kCPU).ok()) << trainer.status();
  if (trainer.ok()) return;
  EXPECT_THAT(trainer, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("precision: BF16 on a CPU needs")));
}

// On any CPU, slow or not.
TEST_F(Bf16Test, EncodersComputeInBfloat16AndGiveFloat32) {
  const auto networks = [](const v1::TrainingSpec& spec) {
    const auto resolved = ResolveSpec(spec);
    EXPECT_THAT(resolved, IsOk());
    torch::manual_seed(1);
    auto made = IhdaNetworks::Create(*resolved, *ManifestOf(*resolved, {}), torch::kCPU);
    EXPECT_THAT(made, IsOk());
    return *std::move(made);
  };
  torch::manual_seed(2);
  const torch::Tensor images = torch::randn({4, 3, 32, 32});
  const auto embeddings = [&](const v1::TrainingSpec& spec) {
    return networks(spec)->Forward({images}, {v1::MODALITY_SKETCH})[0].embedding;
  };
  const torch::Tensor expected = embeddings(Spec());
  const torch::Tensor actual = embeddings(Bf16());
  EXPECT_EQ(actual.scalar_type(), torch::kFloat32);
  EXPECT_FALSE(actual.equal(expected));
  EXPECT_LT((actual - expected).norm().item<double>(), 0.03 * expected.norm().item<double>());
  EXPECT_EQ(images.select(0, 0).select(0, 0).matmul(images.select(0, 0).select(0, 0)).scalar_type(),
            torch::kFloat32);
}

TEST_F(Bf16Test, LossesAreNearlyThoseOfFloat32) {
  if (!CheckBf16(torch::kCPU).ok()) GTEST_SKIP() << "this CPU has no AVX512-BF16";
  const auto expected = FirstLosses(Spec());
  const auto actual = FirstLosses(Bf16());
  EXPECT_NE(actual, expected);
  ASSERT_EQ(actual.size(), expected.size());
  for (const auto& [name, value] : expected) {
    EXPECT_NEAR(actual.at(name), value, 0.03 * std::abs(value) + 1e-3) << name;
  }
}

TEST_F(Bf16Test, ResumesToTheSameBits) {
  if (!CheckBf16(torch::kCPU).ok()) GTEST_SKIP() << "this CPU has no AVX512-BF16";
  const TensorMap whole = Train(Bf16());
  IhdaTrainerOptions options;
  options.state_file = dir_.File("resume");
  int epochs = 0;
  options.observer.on_epoch = [&](const auto&, const auto&) { ++epochs; };
  options.observer.stop = [&] { return epochs == 3; };
  EXPECT_THAT((*Create(Bf16(), options))->Run(), StatusIs(absl::StatusCode::kCancelled));
  options.observer.stop = [] { return false; };
  EXPECT_THAT(Differences(whole, Train(Bf16(), options)), IsEmpty());
}

}  // namespace
}  // namespace s2p::test
