#include "trainer/ihda/projection_init.h"

#include <torch/torch.h>

#include <numeric>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/drawn_images.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/ihda/pair_whitening.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

using test::IsOk;

class ProjectionInitTest : public test::DrawnImagesTest {
 protected:
  void SetUp() override {
    v1::TrainingSpec spec;
    spec.set_preset("shoes-resnet18");
    spec.set_target_dataset("unused");
    spec.mutable_embedding()->set_pooling(v1::POOLING_GLOBAL);
    spec.mutable_embedding()->set_dimension(kDimension);
    const auto resolved = ResolveSpec(spec);
    ASSERT_THAT(resolved, IsOk());
    const auto manifest = ManifestOf(*resolved, {});
    ASSERT_THAT(manifest, IsOk());
    torch::manual_seed(1);
    auto encoder = DualEncoder::Create(*manifest);
    ASSERT_THAT(encoder, IsOk());
    encoder_ = *std::move(encoder);
  }

  // The inner products of the axes for `count` pictures as both modalities.
  torch::Tensor AxesProducts(int count) {
    const LabelledImages images{Load(count), Numbers(count)};
    const absl::Status status = InitializeProjection(images, images, *encoder_);
    EXPECT_THAT(status, IsOk());
    torch::NoGradGuard no_grad;
    const torch::Tensor axes = encoder_->named_parameters()["projection.weight"];
    return torch::matmul(axes, axes.t());
  }

  static std::vector<int> Numbers(int count) {
    std::vector<int> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  static constexpr int kDimension = 8;
  std::shared_ptr<DualEncoder> encoder_;
};

TEST_F(ProjectionInitTest, AxesAreOrthonormalWherePairsDoNotDiffer) {
  EXPECT_TRUE(torch::allclose(AxesProducts(40), torch::eye(kDimension), 0, 1e-3));
}

// A pair's pictures are equally bright and differ in their slope (DrawnImagesTest::Drawn): the
// effect of the slope shrinks relative to the differences between photos.
TEST_F(ProjectionInitTest, PairsComeCloserThanByPrincipalComponentsAlone) {
  constexpr int kSameBrightness = 256, kPairs = 40, kCount = kSameBrightness + kPairs;
  const auto images = Load(kCount);
  const LabelledImages photos{images, Numbers(kCount)};
  LabelledImages unpaired = photos;
  for (int& label : unpaired.labels) label += kCount;
  LabelledImages sketches = unpaired;
  std::iota(sketches.labels.begin(), sketches.labels.begin() + kPairs, kSameBrightness);
  const auto spread = [&](const LabelledImages& second) {
    const absl::Status status = InitializeProjection(photos, second, *encoder_);
    EXPECT_THAT(status, IsOk());
    torch::NoGradGuard no_grad;
    encoder_->eval();
    const torch::Tensor batch = NormalizedBatch(*images, 0, kCount);
    const torch::Tensor photo = encoder_->Forward(batch, v1::MODALITY_PHOTO).embedding;
    const torch::Tensor sketch = encoder_->Forward(batch, v1::MODALITY_SKETCH).embedding;
    return (PairDifferences(photo, photos.labels, sketch, sketches.labels).norm() / photo.norm())
        .item<double>();
  };
  EXPECT_LT(spread(sketches), 0.9 * spread(unpaired));
}

// One image of each modality has no principal component.
TEST_F(ProjectionInitTest, OnePairLeavesTheRandomStart) {
  const torch::Tensor before = encoder_->named_parameters()["projection.weight"].detach().clone();
  AxesProducts(1);
  EXPECT_TRUE(torch::equal(encoder_->named_parameters()["projection.weight"], before));
}

TEST_F(ProjectionInitTest, FewImagesLeaveTheOtherRowsAsTheyWere) {
  const torch::Tensor before = encoder_->named_parameters()["projection.weight"].detach().clone();
  AxesProducts(4);  // three components
  const torch::Tensor after = encoder_->named_parameters()["projection.weight"].detach();
  EXPECT_TRUE(torch::isfinite(after).all().item<bool>());
  EXPECT_TRUE(
      torch::equal(after.narrow(0, 3, kDimension - 3), before.narrow(0, 3, kDimension - 3)));
  EXPECT_FALSE(torch::equal(after[2], before[2]));
}

TEST_F(ProjectionInitTest, EmbeddingsAreCentred) {
  AxesProducts(40);
  torch::NoGradGuard no_grad;
  const auto parameters = encoder_->named_parameters();
  EXPECT_TRUE(torch::allclose(parameters["projection.photo_bias"],
                              parameters["projection.sketch_bias"], 1e-4, 1e-4));
  EXPECT_GT(parameters["projection.photo_bias"].norm().item<double>(), 0);
}

// LAPACK's workspace for more than 2,895 images is miscounted in float32.
TEST_F(ProjectionInitTest, ThousandsOfImagesAreNotTooMany) {
  EXPECT_TRUE(torch::allclose(AxesProducts(1600), torch::eye(kDimension), 0, 1e-3));
}

}  // namespace
}  // namespace s2p
