#include "trainer/projection_init.h"

#include <torch/torch.h>

#include "tests/trainer/drawn_images.h"
#include "trainer/training_spec.h"

namespace s2p {
namespace {

class ProjectionInitTest : public testing::DrawnImagesTest {
 protected:
  void SetUp() override {
    v1::TrainingSpec spec;
    spec.set_preset("shoes-resnet18");
    spec.set_target_dataset("unused");
    spec.mutable_embedding()->set_pooling(v1::POOLING_GLOBAL);
    spec.mutable_embedding()->set_dimension(kDimension);
    const auto resolved = ResolveSpec(spec);
    ASSERT_TRUE(resolved.ok()) << resolved.status();
    const auto manifest = ManifestOf(*resolved, {});
    ASSERT_TRUE(manifest.ok()) << manifest.status();
    torch::manual_seed(1);
    auto encoder = DualEncoder::Create(*manifest);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    encoder_ = *std::move(encoder);
  }

  // Of `count` pictures as both modalities: the inner products of the axes.
  torch::Tensor AxesProducts(int count) {
    const auto images = Load(count);
    const absl::Status status = InitializeProjection(*images, *images, *encoder_);
    EXPECT_TRUE(status.ok()) << status;
    torch::NoGradGuard no_grad;
    const torch::Tensor axes = encoder_->named_parameters()["projection.weight"];
    return torch::matmul(axes, axes.t());
  }

  static constexpr int kDimension = 8;
  std::shared_ptr<DualEncoder> encoder_;
};

TEST_F(ProjectionInitTest, AxesAreOrthonormal) {
  EXPECT_TRUE(torch::allclose(AxesProducts(40), torch::eye(kDimension), 0, 1e-3));
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
