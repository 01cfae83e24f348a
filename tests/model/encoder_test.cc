#include "model/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/model/encoder_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;
using v1::CheckpointManifest;
using v1::MODALITY_PHOTO;
using v1::MODALITY_SKETCH;

void ExpectSameRow(absl::Span<const float> got, absl::Span<const float> want, double tolerance,
                   const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << what;
}

TEST_F(EncoderTest, SaysWhatItServes) {
  const auto encoder = Load();
  EXPECT_EQ(encoder->version(), 7);
  EXPECT_EQ(encoder->dimension(), 8);
  EXPECT_THAT(encoder->attributes(), ElementsAre("boots", "high heel", "laces"));
  EXPECT_EQ(encoder->device(), "cpu");
}

TEST_F(EncoderTest, EqualsTheTrainersForwardPassForBothModalities) {
  const auto encoder = Load();
  for (int i = 0; i < 4; ++i) {
    const Encoding encoding = Encode(*encoder, {Input(i)});
    const auto [feature, attributes] = TrainersOutput(i);
    ExpectSameRow(encoding.embeddings.row(0), feature, 1e-4, absl::StrCat("embedding ", i));
    ExpectSameRow(encoding.attributes.row(0), attributes, 1e-4, absl::StrCat("attributes ", i));
  }
}

TEST_F(EncoderTest, EmbeddingsDoNotDependOnTheBatch) {
  const auto encoder = Load();
  const std::vector<std::vector<int>> batches = {
      {0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {0, 0, 1, 1}, {2, 4, 0}, {3, 1, 5, 3}};
  for (const std::vector<int>& batch : batches) {
    std::vector<EncoderInput> inputs;
    for (int number : batch) inputs.push_back(Input(number));
    const Encoding together = Encode(*encoder, inputs);
    ASSERT_EQ(together.embeddings.rows(), static_cast<int>(batch.size()));
    for (size_t k = 0; k < batch.size(); ++k) {
      const Encoding alone = Encode(*encoder, {inputs[k]});
      const int row = static_cast<int>(k);
      const std::string what = absl::StrCat("picture ", batch[k], " as number ", k);
      ExpectSameRow(together.embeddings.row(row), alone.embeddings.row(0), 1e-4, what);
      ExpectSameRow(together.attributes.row(row), alone.attributes.row(0), 1e-4, what);
    }
  }
}

TEST_F(EncoderTest, PreprocessedImageGivesTheSameBits) {
  const auto encoder = Load();
  std::vector<EncoderInput> inputs = {Input(0), Input(1), Input(2), Input(3)};
  const Encoding from_images = Encode(*encoder, inputs);
  std::vector<PreprocessedImage> preprocessed;
  for (const EncoderInput& input : inputs) {
    auto image = encoder->Preprocess(*input.image, input.modality);
    ASSERT_THAT(image, IsOk());
    preprocessed.push_back(*std::move(image));
  }
  // One of the four is left to Encode.
  for (size_t i = 0; i < 3; ++i) inputs[i].preprocessed = &preprocessed[i];
  const Encoding encoding = Encode(*encoder, inputs);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(encoding.embeddings.row(i), from_images.embeddings.row(i)) << i;
    EXPECT_EQ(encoding.attributes.row(i), from_images.attributes.row(i)) << i;
  }
}

TEST_F(EncoderTest, PreprocessedImageIsTakenInPlaceOfTheImage) {
  const auto encoder = Load();
  const auto other = encoder->Preprocess(pictures_[2], MODALITY_PHOTO);
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ(other->version, 7);
  EncoderInput input = Input(0);
  input.preprocessed = &*other;
  ExpectSameRow(Encode(*encoder, {input}).embeddings.row(0),
                Encode(*encoder, {Input(2)}).embeddings.row(0), 1e-6, "picture 2");
}

TEST_F(EncoderTest, ImageOfAnotherVersionModalityOrSizeIsPreprocessedAgain) {
  const auto encoder = Load();
  const Encoding expected = Encode(*encoder, {Input(0)});
  const auto made = encoder->Preprocess(pictures_[2], MODALITY_PHOTO);
  ASSERT_THAT(made, IsOk());
  PreprocessedImage version = *made, modality = *made, size = *made;
  version.version = 8;
  modality.modality = MODALITY_SKETCH;
  size.pixels = Image(size.pixels.width() + 1, size.pixels.height());
  for (const PreprocessedImage* preprocessed : {&version, &modality, &size}) {
    EncoderInput input = Input(0);
    input.preprocessed = preprocessed;
    ExpectSameRow(Encode(*encoder, {input}).embeddings.row(0), expected.embeddings.row(0), 1e-6,
                  absl::StrCat("version ", preprocessed->version));
  }
}

TEST_F(EncoderTest, PreprocessRefusesWhatEncodeRefuses) {
  const auto encoder = Load();
  EXPECT_THAT(encoder->Preprocess(Image(), MODALITY_PHOTO),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inputs[0].image")));
  EXPECT_THAT(encoder->Preprocess(pictures_[0], v1::MODALITY_UNSPECIFIED),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inputs[0].modality")));
}

TEST_F(EncoderTest, DifferentPicturesAndModalitiesGiveDifferentEmbeddings) {
  const auto encoder = Load();
  const Encoding encoding = Encode(*encoder, {{&pictures_[0], MODALITY_PHOTO},
                                              {&pictures_[1], MODALITY_PHOTO},
                                              {&pictures_[0], MODALITY_SKETCH}});
  EXPECT_LT(CosineSimilarity(encoding.embeddings.row(0), encoding.embeddings.row(1)), 0.9999);
  EXPECT_LT(CosineSimilarity(encoding.embeddings.row(0), encoding.embeddings.row(2)), 0.9999);
}

TEST_F(EncoderTest, EmbeddingsHaveNormOneAndAttributesAreProbabilities) {
  const auto encoder = Load();
  const Encoding encoding = Encode(*encoder, {Input(0), Input(1), Input(2)});
  for (int i = 0; i < 3; ++i) {
    double squares = 0;
    for (float value : encoding.embeddings.row(i)) squares += double{value} * value;
    EXPECT_NEAR(squares, 1, 1e-6);
    EXPECT_THAT(encoding.attributes.row(i), Each(AllOf(Ge(0), Le(1))));
  }
}

TEST_F(EncoderTest, NothingToEncodeGivesNoRows) {
  const Encoding encoding = Encode(*Load(), {});
  EXPECT_EQ(encoding.embeddings.rows(), 0);
  EXPECT_EQ(encoding.embeddings.dimension(), 8);
}

TEST_F(EncoderTest, EmptyImageIsInvalidArgumentNamingItsPlace) {
  const Image empty;
  const auto encoder = Load();
  for (const Image* image : {&empty, static_cast<const Image*>(nullptr)}) {
    const absl::Status status =
        encoder->Encode({Input(0), EncoderInput{image, MODALITY_PHOTO}}).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inputs[1].image")));
  }
}

TEST_F(EncoderTest, UnknownModalityIsInvalidArgumentNamingItsPlace) {
  const absl::Status status =
      Load()->Encode({EncoderInput{&pictures_[0], v1::MODALITY_UNSPECIFIED}}).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("inputs[0].modality")));
}

TEST_F(EncoderTest, ModelWithoutAttributesGivesNone) {
  checkpoint_.manifest.clear_attributes();
  checkpoint_.manifest.clear_attribute_hidden();
  network_ = CreateNetwork(checkpoint_.manifest);
  checkpoint_.weights = network_->Weights();
  ASSERT_THAT(FillGoldenProbe(*network_, checkpoint_.manifest), IsOk());
  const auto encoder = Load();
  EXPECT_TRUE(encoder->attributes().empty());
  EXPECT_EQ(Encode(*encoder, {Input(0)}).attributes.dimension(), 0);
}

TEST_F(EncoderTest, CallsOfSeveralThreadsDoNotDisturbEachOther) {
  const auto encoder = Load();
  constexpr int kThreads = 3;
  std::vector<EmbeddingMatrix> got(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 3; ++i) got[t] = Encode(*encoder, {Input(t), Input(t + 1)}).embeddings;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int t = 0; t < kThreads; ++t) {
    const Encoding alone = Encode(*encoder, {Input(t), Input(t + 1)});
    ExpectSameRow(got[t].row(0), alone.embeddings.row(0), 1e-4, absl::StrCat("thread ", t));
    ExpectSameRow(got[t].row(1), alone.embeddings.row(1), 1e-4, absl::StrCat("thread ", t));
  }
}

class LoadEncoderTest : public EncoderTest {};

TEST_F(LoadEncoderTest, UnavailableDevicesAreInvalidArgument) {
  for (const char* device : {"", "tpu", "CPU", "cuda", "cuda:", "cuda:-1", "cuda:x", "cuda:999",
                             "cuda:00", "cuda:99999999999"}) {
    const absl::Status status = LoadError({device, 0});
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(absl::StrCat("device: "))))
        << device;
  }
}

TEST_F(LoadEncoderTest, AutoDeviceIsAGpuIfThereIsOne) {
  const auto encoder = LoadEncoder(checkpoint_, {"auto", 0});
  ASSERT_THAT(encoder, IsOk());
  EXPECT_EQ((*encoder)->device(), torch::cuda::is_available() ? "cuda:0" : "cpu");
}

TEST_F(LoadEncoderTest, EveryLayoutGivesTheNetworksEmbeddings) {
  const Encoding automatic = Encode(*Load(), {Input(0), Input(1), Input(2)});
  for (const char* layout : {"contiguous", "channels_last", "onednn"}) {
    EncoderOptions options{"cpu", 0};
    options.layout = layout;
    const auto encoder = LoadEncoder(checkpoint_, options);
    ASSERT_THAT(encoder, IsOk());
    EXPECT_EQ((*encoder)->description(), absl::StrCat(layout, ", fp32"));
    const Encoding encoding = Encode(**encoder, {Input(0), Input(1), Input(2)});
    for (int i = 0; i < 3; ++i) {
      ExpectSameRow(encoding.embeddings.row(i), automatic.embeddings.row(i), 1e-5, layout);
      ExpectSameRow(encoding.attributes.row(i), automatic.attributes.row(i), 1e-5, layout);
    }
  }
}

class FineGridEncoderTest : public EncoderTest {
 protected:
  static CheckpointManifest Manifest() {
    CheckpointManifest manifest = NetworkManifest();
    manifest.mutable_embedding()->set_pooling(v1::POOLING_GRID);
    manifest.mutable_embedding()->set_grid(1);
    manifest.mutable_embedding()->set_fine_grid(2);
    return manifest;
  }
  FineGridEncoderTest() : EncoderTest(Manifest()) {}
};

TEST_F(FineGridEncoderTest, EveryLayoutGivesTheTrainersEmbeddings) {
  for (const char* layout : {"contiguous", "channels_last", "onednn"}) {
    EncoderOptions options{"cpu", 0};
    options.layout = layout;
    const auto encoder = LoadEncoder(checkpoint_, options);
    ASSERT_THAT(encoder, IsOk());
    const Encoding encoding = Encode(**encoder, {Input(0), Input(1)});
    for (int i = 0; i < 2; ++i) {
      ExpectSameRow(encoding.embeddings.row(i), TrainersOutput(i).first, 1e-5, layout);
    }
  }
}

// One shared transformer whose photos and sketches have two sizes, neither the table's, served by
// its summary.
class TransformerEncoderTest : public EncoderTest {
 protected:
  TransformerEncoderTest() : EncoderTest(Manifest()) {}
  static CheckpointManifest Manifest() {
    CheckpointManifest manifest = NetworkManifest();
    v1::Backbone& backbone = *manifest.mutable_backbone();
    backbone.set_arch("vit");
    backbone.set_last_stage(4);
    backbone.set_shared(true);
    *backbone.mutable_transformer() = SmallTransformer();
    backbone.mutable_transformer()->set_registers(2);
    manifest.mutable_embedding()->set_pooling(v1::POOLING_SUMMARY);
    manifest.mutable_sketch()->set_height(48);
    return manifest;
  }
};

TEST_F(TransformerEncoderTest, EqualsTheTrainersForwardPassForBothModalities) {
  const auto encoder = Load();
  EXPECT_EQ(encoder->description(), "contiguous, fp32");
  for (int i = 0; i < 4; ++i) {
    const Encoding encoding = Encode(*encoder, {Input(i)});
    const auto [feature, attributes] = TrainersOutput(i);
    ExpectSameRow(encoding.embeddings.row(0), feature, 1e-4, absl::StrCat("embedding ", i));
    ExpectSameRow(encoding.attributes.row(0), attributes, 1e-4, absl::StrCat("attributes ", i));
  }
}

TEST_F(TransformerEncoderTest, LayoutsOfConvolutionsAreRefused) {
  EncoderOptions options{"cpu", 0};
  options.layout = "onednn";
  EXPECT_THAT(LoadError(options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("'onednn' is not available for this network on cpu; use auto")));
}

TEST_F(TransformerEncoderTest, PartsOfOneBatchHaveTheirOwnSummaries) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor photos = torch::randn({2, 3, 64, 48}),
                      sketches = torch::randn({1, 3, 64, 48});
  const auto together =
      network_->ForwardParts({photos, sketches}, {MODALITY_PHOTO, MODALITY_SKETCH});
  ExpectClose(together[0].embedding, network_->Forward(photos, MODALITY_PHOTO).embedding, 1e-5,
              1e-6, "photos");
  ExpectClose(together[1].embedding, network_->Forward(sketches, MODALITY_SKETCH).embedding, 1e-5,
              1e-6, "sketches");
}

TEST_F(LoadEncoderTest, UnknownLayoutOrPrecisionIsInvalidArgumentByName) {
  EncoderOptions options{"cpu", 0};
  EXPECT_THAT(CheckEncoderOptions(options), IsOk());
  options.layout = "nhwc";
  EXPECT_THAT(LoadError(options).message(), HasSubstr("'nhwc'"));
  EXPECT_THAT(CheckEncoderOptions(options).message(), HasSubstr("'nhwc'"));
  options.layout = "auto";
  options.precision = "int4";
  EXPECT_THAT(LoadError(options).message(), HasSubstr("'int4'"));
  options.precision = "half";
  const absl::Status status = LoadError(options);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needs a GPU")));
  EXPECT_EQ(CheckEncoderOptions(options), status);
}

TEST_F(LoadEncoderTest, ThreadsAreSetForTheProcess) {
  ASSERT_THAT(LoadError({"cpu", 1}), IsOk());
  EXPECT_EQ(at::get_num_threads(), 1);
  const absl::Status status = LoadError({"cpu", -1});
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("threads: -1")));
}

TEST_F(LoadEncoderTest, WeightsThatDoNotFitAreDataLossNamingFileAndTensor) {
  checkpoint_.directory = "store/7";
  checkpoint_.weights.erase("neck.running_mean");
  const absl::Status status = LoadError();
  EXPECT_THAT(
      status,
      StatusIs(absl::StatusCode::kDataLoss,
               HasSubstr("store/7/weights.safetensors: tensor 'neck.running_mean': missing")));
}

TEST_F(LoadEncoderTest, InvalidManifestIsInvalidArgumentNamingTheField) {
  checkpoint_.manifest.mutable_sketch()->clear_mean();
  const absl::Status status = LoadError();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("mean")));
}

}  // namespace
}  // namespace s2p::test
