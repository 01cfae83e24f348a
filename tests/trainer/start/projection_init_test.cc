#include "trainer/start/projection_init.h"

#include <gmock/gmock.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <numeric>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/drawn_images.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/spec/training_spec.h"
#include "trainer/start/pair_whitening.h"

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
    embedding_ = resolved->embedding();
    torch::manual_seed(1);
    auto encoder = DualEncoder::Create(*manifest);
    ASSERT_THAT(encoder, IsOk());
    encoder_ = *std::move(encoder);
  }

  // The inner products of the axes for `count` pictures as both modalities.
  torch::Tensor AxesProducts(int count) {
    const LabelledImages images{Load(count), Numbers(count)};
    const absl::Status status = InitializeProjection(images, images, embedding_, *encoder_);
    EXPECT_THAT(status, IsOk());
    torch::NoGradGuard no_grad;
    const torch::Tensor axes = encoder_->named_parameters()["projection.weight"];
    return torch::matmul(axes, axes.t());
  }

  // The pictures of these numbers, below `count`, in this order.
  std::shared_ptr<const PreparedImages> Pictures(int count, const std::vector<int>& numbers) {
    Write(count);
    const auto data_set = Open();
    EXPECT_THAT(data_set, IsOk());
    std::vector<DataSetImage> lines;
    for (const int number : numbers) {
      lines.push_back(data_set->images()[static_cast<size_t>(number)]);
    }
    auto images = PreparedImages::Load(*data_set, lines, Preprocessing(), 2);
    EXPECT_THAT(images, IsOk());
    return *std::move(images);
  }

  static std::vector<int> Numbers(int count) {
    std::vector<int> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }

  static constexpr int kDimension = 8;
  v1::TrainingSpec::EmbeddingSpec embedding_;
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
    const absl::Status status = InitializeProjection(photos, second, embedding_, *encoder_);
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

TEST_F(ProjectionInitTest, OtherRowsOfFewImagesAreAtRightAnglesToTheirComponents) {
  const torch::Tensor products = AxesProducts(4);  // three components
  EXPECT_TRUE(torch::isfinite(products).all().item<bool>());
  EXPECT_TRUE(torch::allclose(products.narrow(0, 0, 3).narrow(1, 3, kDimension - 3),
                              torch::zeros({3, kDimension - 3}), 0, 1e-3));
  EXPECT_GT(products.diag().min().item<double>(), 0.5);
}

TEST_F(ProjectionInitTest, IsTheSameEachTime) {
  AxesProducts(4);
  const torch::Tensor first = encoder_->named_parameters()["projection.weight"].detach().clone();
  torch::manual_seed(77);
  AxesProducts(4);
  EXPECT_TRUE(torch::equal(encoder_->named_parameters()["projection.weight"], first));
}

// The components of four pictures say nothing of the others, so that without further rows their
// embeddings would nearly coincide.
TEST_F(ProjectionInitTest, PicturesUnlikeTheFewKeepTheirDistances) {
  AxesProducts(4);
  torch::NoGradGuard no_grad;
  encoder_->eval();
  const torch::Tensor batch = NormalizedBatch(*Load(60), 20, 60);
  const torch::Tensor pooled = encoder_->Pooled(batch, v1::MODALITY_PHOTO);
  const torch::Tensor embedding = encoder_->Forward(batch, v1::MODALITY_PHOTO).embedding;
  const torch::Tensor ratio = torch::pdist(embedding) / torch::pdist(pooled);
  EXPECT_GT(ratio.median().item<double>(), 0.4);
  EXPECT_LT(ratio.median().item<double>(), 2.0);
}

TEST_F(ProjectionInitTest, EmbeddingsAreCentred) {
  AxesProducts(40);
  torch::NoGradGuard no_grad;
  const auto parameters = encoder_->named_parameters();
  EXPECT_TRUE(torch::allclose(parameters["projection.photo_bias"],
                              parameters["projection.sketch_bias"], 1e-4, 1e-4));
  EXPECT_GT(parameters["projection.photo_bias"].norm().item<double>(), 0);
}

// Photos and pseudo-sketches are the same pictures; people's sketches are others.
TEST_F(ProjectionInitTest, MeanOfSketchesIsThatOfPeoplesUnlessTheyAreFew) {
  constexpr int kCount = 40;
  const auto images = Load(kCount);
  const auto embeddings_with = [&](int drawn) {
    // The first `drawn` pictures as people's, of nothing in particular, the others as made.
    LabelledImages photos{images, Numbers(kCount)}, sketches = photos;
    for (int i = 0; i < drawn; ++i) sketches.labels[static_cast<size_t>(i)] += kCount;
    sketches.made = kCount - drawn;
    EXPECT_THAT(InitializeProjection(photos, sketches, embedding_, *encoder_), IsOk());
    torch::NoGradGuard no_grad;
    encoder_->eval();
    return encoder_->Forward(NormalizedBatch(*images, 0, kCount), v1::MODALITY_SKETCH).embedding;
  };
  // How far the mean of some of them is from 0, relative to the length of one.
  const auto off_centre = [](const torch::Tensor& embeddings, int first, int count) {
    return (embeddings.narrow(0, first, count).mean(0).norm() / embeddings.norm(2, 1).mean())
        .item<double>();
  };
  const torch::Tensor of_many = embeddings_with(5);
  EXPECT_LT(off_centre(of_many, 0, 5), 1e-3);
  EXPECT_GT(off_centre(of_many, 5, kCount - 5), 1e-2);
  const torch::Tensor of_few = embeddings_with(4);
  EXPECT_LT(off_centre(of_few, 4, kCount - 4), 1e-3);
}

// Less its own mean, the only one of its kind would be nothing, whatever it shows.
TEST_F(ProjectionInitTest, OnlySketchOfAPersonShapesTheAxes) {
  constexpr int kCount = 40;
  const LabelledImages photos{Load(kCount), Numbers(kCount)};
  // The sketch of photo 0 is this picture; pseudo-sketches are the photos.
  const auto axes_with = [&](int picture) {
    std::vector<int> pictures = Numbers(kCount), labels = pictures;
    pictures.insert(pictures.begin(), picture);
    labels.insert(labels.begin(), 0);
    const LabelledImages sketches{Pictures(kCount, pictures), labels, kCount};
    EXPECT_THAT(InitializeProjection(photos, sketches, embedding_, *encoder_), IsOk());
    return encoder_->named_parameters()["projection.weight"].detach().clone();
  };
  EXPECT_FALSE(torch::allclose(axes_with(0), axes_with(7), 0, 1e-3));
}

// The share decides how much people's sketches shape the axes; the best is the judge's.
TEST_F(ProjectionInitTest, BestShareIsKept) {
  constexpr int kCount = 40, kDrawn = 10;
  const LabelledImages photos{Load(kCount), Numbers(kCount)};
  LabelledImages sketches = photos;
  // People's sketches are the picture after their photo's, pseudo-sketches the one before.
  for (int i = 0; i < kCount; ++i) {
    sketches.labels[static_cast<size_t>(i)] = (i + (i < kDrawn ? kCount - 1 : 1)) % kCount;
  }
  sketches.made = kCount - kDrawn;
  const auto weight = [&] {
    return encoder_->named_parameters()["projection.weight"].detach().clone();
  };
  std::vector<torch::Tensor> tried;
  const auto judge = [&](DualEncoder&) -> absl::StatusOr<double> {
    tried.push_back(weight());
    return tried.size() == 2 ? 1.0 : 0.5;
  };
  // The first one comes again, as it does where the number of sketches gives a round share.
  const auto best =
      InitializeWithBestShare(photos, sketches, embedding_, {0, 0.9, 0.1, 0}, judge, *encoder_);
  ASSERT_THAT(best, IsOk());
  EXPECT_EQ(*best, 0.9);
  ASSERT_EQ(tried.size(), 4u);
  EXPECT_TRUE(torch::equal(weight(), tried[1]));
  EXPECT_FALSE(torch::equal(tried[0], tried[1]));
  EXPECT_FALSE(torch::equal(tried[1], tried[2]));
  ASSERT_THAT(InitializeProjection(photos, sketches, embedding_, *encoder_, 0.9), IsOk());
  EXPECT_TRUE(torch::equal(weight(), tried[1]));
}

TEST_F(ProjectionInitTest, ErrorOfTheJudgeIsReturned) {
  const LabelledImages images{Load(10), Numbers(10)};
  const auto judge = [](DualEncoder&) -> absl::StatusOr<double> {
    return absl::ResourceExhaustedError("no memory");
  };
  EXPECT_THAT(InitializeWithBestShare(images, images, embedding_, {0.1, 0.2}, judge, *encoder_),
              test::StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(ProjectionInitTest, StopIsCancelledBeforeAnImageIsLookedAt) {
  const LabelledImages images{Load(10), Numbers(10)};
  int judged = 0;
  const auto judge = [&](DualEncoder&) -> absl::StatusOr<double> { return ++judged; };
  EXPECT_THAT(InitializeWithBestShare(images, images, embedding_, {0.1, 0.2}, judge, *encoder_,
                                      [] { return true; }),
              test::StatusIs(absl::StatusCode::kCancelled, testing::HasSubstr("fitted")));
  EXPECT_EQ(judged, 0);
}

TEST_F(ProjectionInitTest, StopEndsTheSearchForTheBestShare) {
  const LabelledImages images{Load(10), Numbers(10)};
  int judged = 0;
  const auto judge = [&](DualEncoder&) -> absl::StatusOr<double> { return ++judged; };
  EXPECT_THAT(InitializeWithBestShare(images, images, embedding_, {0.1, 0.2}, judge, *encoder_,
                                      [&] { return judged == 1; }),
              test::StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(judged, 1);
}

TEST(ChooseStartImagesTest, PseudoSketchesComeLastAndInTurn) {
  // A pair of people's, an unpaired one, and three pseudo-sketches of each of four photos.
  const std::vector<int> photos = {0, 1, 2, 3};
  std::vector<int> sketches = {0, 7};
  for (const int photo : photos) sketches.insert(sketches.end(), 3, photo);
  const StartImages start = ChooseStartImages(photos, sketches, 7, 12);
  EXPECT_THAT(start.photos, testing::ElementsAre(0, 1, 2, 3));
  ASSERT_EQ(start.sketches.size(), 7u);
  EXPECT_EQ(start.sketches[0], 0);
  EXPECT_EQ(start.sketches[1], 1);
  for (const int first : {2, 5, 8, 11}) EXPECT_THAT(start.sketches, testing::Contains(first));
  EXPECT_EQ(start.pairs, 4);
}

TEST(ChooseStartImagesTest, MorePhotosThanFitHaveOnePseudoSketchEach) {
  std::vector<int> photos(300), sketches;
  std::iota(photos.begin(), photos.end(), 0);
  for (const int photo : photos) sketches.insert(sketches.end(), 4, photo);
  const StartImages start = ChooseStartImages(photos, sketches, 100, 1200);
  EXPECT_EQ(start.photos.size(), 100u);
  EXPECT_EQ(start.sketches.size(), 100u);
  EXPECT_EQ(start.pairs, 100);
}

// 3,000 sketches of nothing in particular, and a pseudo-sketch of each of 300 photos.
TEST(ChooseStartImagesTest, UnpairedSketchesLeaveRoomForPseudoSketches) {
  std::vector<int> photos(300), sketches(3000);
  std::iota(photos.begin(), photos.end(), 0);
  std::iota(sketches.begin(), sketches.end(), 1000);
  sketches.insert(sketches.end(), photos.begin(), photos.end());
  const StartImages start = ChooseStartImages(photos, sketches, 200, 300);
  EXPECT_EQ(start.sketches.size(), 200u);
  EXPECT_EQ(start.pairs, 175);
}

TEST(ChooseStartImagesTest, UnpairedSketchesTakeTheRoomThatPseudoSketchesLeave) {
  const StartImages start = ChooseStartImages({0, 1}, {5, 6, 7, 8, 9, 0, 1}, 6, 2);
  EXPECT_EQ(start.sketches.size(), 6u);
  EXPECT_EQ(start.pairs, 2);
}

TEST(ChooseStartImagesTest, AreAllWhereTheyFit) {
  const StartImages start = ChooseStartImages({5, 6, 7, 7}, {7, 9, 6}, 4);
  EXPECT_EQ(start.photos, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ(start.sketches, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(start.pairs, 2);
}

// Only the last 30 of 2,000 photos have sketches.
TEST(ChooseStartImagesTest, PairsComeFirst) {
  std::vector<int> photos(2000), sketches(30);
  std::iota(photos.begin(), photos.end(), 0);
  std::iota(sketches.begin(), sketches.end(), 1970);
  const StartImages start = ChooseStartImages(photos, sketches, 100);
  EXPECT_EQ(start.pairs, 30);
  ASSERT_EQ(start.photos.size(), 100u);
  EXPECT_EQ(start.photos[70], 1970);
  // The others are from the whole list.
  EXPECT_GT(start.photos[69], 1500);
  EXPECT_LT(start.photos[0], 500);
}

TEST(ChooseStartImagesTest, MorePairsThanFitAreASampleOfThem) {
  std::vector<int> labels(500);
  std::iota(labels.begin(), labels.end(), 0);
  std::vector<int> twice = labels;
  twice.insert(twice.end(), labels.begin(), labels.end());
  const StartImages start = ChooseStartImages(labels, twice, 100);
  EXPECT_EQ(start.sketches.size(), 100u);
  EXPECT_EQ(start.photos.size(), 100u);
  EXPECT_EQ(start.pairs, 50);
  EXPECT_GT(start.photos.back(), 400);
  EXPECT_EQ(ChooseStartImages(labels, twice, 100).photos, start.photos);
}

// LAPACK's workspace for more than 2,895 images is miscounted in float32.
TEST_F(ProjectionInitTest, ThousandsOfImagesAreNotTooMany) {
  EXPECT_TRUE(torch::allclose(AxesProducts(1600), torch::eye(kDimension), 0, 1e-3));
}

}  // namespace
}  // namespace s2p
