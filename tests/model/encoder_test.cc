#include "model/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "model/preprocessor.h"
#include "model/torch_device.h"
#include "tests/model/golden_weights.h"
#include "tests/model/small_network.h"

namespace s2p {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using ::testing::Le;
using testing::NetworkManifest;
using v1::CheckpointManifest;
using v1::MODALITY_PHOTO;
using v1::MODALITY_SKETCH;

// Pixels that depend on the number, of sizes that do, too.
Image Picture(int number) {
  Image image(40 + 7 * number, 90 - 5 * number);
  const testing::GoldenSequence u(absl::StrCat("picture ", number));
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width() * Image::kChannels; ++x) {
      // Blocks, so that something is left after the resize.
      image.row(y)[x] = static_cast<uint8_t>(255 * u[y / 16 * 1000 + x / 48]);
    }
  }
  return image;
}

void ExpectSameRow(absl::Span<const float> got, absl::Span<const float> want, double tolerance,
                   const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << what;
}

class EncoderTest : public ::testing::Test {
 protected:
  explicit EncoderTest(const CheckpointManifest& manifest = NetworkManifest()) {
    network_ = testing::CreateNetwork(manifest);
    testing::FillModule(*network_);
    network_->eval();
    checkpoint_.manifest = manifest;
    checkpoint_.weights = network_->Weights();
    const absl::Status status = FillGoldenProbe(*network_, checkpoint_.manifest);
    EXPECT_TRUE(status.ok()) << status;
    for (int i = 0; i < 6; ++i) pictures_.push_back(Picture(i));
  }

  std::unique_ptr<const Encoder> Load() {
    EncoderOptions options;
    options.device = "cpu";
    auto encoder = LoadEncoder(checkpoint_, options);
    EXPECT_TRUE(encoder.ok()) << encoder.status();
    return *std::move(encoder);
  }
  absl::Status LoadError(const EncoderOptions& options = {"cpu", 0}) {
    return LoadEncoder(checkpoint_, options).status();
  }
  // Even pictures are photos, odd ones sketches.
  EncoderInput Input(int number) const {
    return {&pictures_[number], number % 2 == 0 ? MODALITY_PHOTO : MODALITY_SKETCH};
  }
  static Encoding Encode(const Encoder& encoder, const std::vector<EncoderInput>& inputs) {
    auto encoding = encoder.Encode(inputs);
    EXPECT_TRUE(encoding.ok()) << encoding.status();
    return *std::move(encoding);
  }
  // What training computes for this picture: the networks one by one, no Encoder.
  std::pair<std::vector<float>, std::vector<float>> TrainersOutput(int number) {
    torch::NoGradGuard no_grad;
    const EncoderInput input = Input(number);
    const auto preprocessor =
        Preprocessor::Create(input.modality == MODALITY_PHOTO ? checkpoint_.manifest.photo()
                                                              : checkpoint_.manifest.sketch());
    std::vector<float> pixels(preprocessor->size());
    preprocessor->Apply(*input.image, absl::MakeSpan(pixels));
    const torch::Tensor batch =
        torch::tensor(pixels).reshape({1, 3, preprocessor->height(), preprocessor->width()});
    const torch::Tensor embedding = network_->Forward(batch, input.modality).embedding;
    const torch::Tensor feature = network_->RetrievalFeature(embedding).contiguous();
    const torch::Tensor attributes =
        torch::sigmoid(network_->AttributeLogits(embedding)).contiguous();
    const auto values = [](const torch::Tensor& t) {
      return std::vector<float>(t.data_ptr<float>(), t.data_ptr<float>() + t.numel());
    };
    return {values(feature), values(attributes)};
  }

  std::shared_ptr<DualEncoder> network_;
  Checkpoint checkpoint_;
  std::vector<Image> pictures_;
};

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

TEST_F(EncoderTest, EmbeddingsDoNotDependOnTheBatchTheyWereIn) {
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
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("inputs[1].image"));
  }
}

TEST_F(EncoderTest, UnknownModalityIsInvalidArgumentNamingItsPlace) {
  const absl::Status status =
      Load()->Encode({EncoderInput{&pictures_[0], v1::MODALITY_UNSPECIFIED}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("inputs[0].modality"));
}

TEST_F(EncoderTest, ModelWithoutAttributesGivesNone) {
  checkpoint_.manifest.clear_attributes();
  checkpoint_.manifest.clear_attribute_hidden();
  network_ = testing::CreateNetwork(checkpoint_.manifest);
  checkpoint_.weights = network_->Weights();
  ASSERT_TRUE(FillGoldenProbe(*network_, checkpoint_.manifest).ok());
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

// Spoils the manifest's probe; the status of loading.
class GoldenProbeTest : public EncoderTest {
 protected:
  void ExpectRefused(const std::string& field) {
    checkpoint_.directory = "store/7";
    const absl::Status status = LoadError();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << field;
    EXPECT_THAT(std::string(status.message()), HasSubstr("store/7/manifest.json: " + field));
  }
  v1::GoldenProbe& probe() { return *checkpoint_.manifest.mutable_golden_probe(); }
};

TEST_F(GoldenProbeTest, EmbeddingThatDiffersIsDataLossNamingTheModality) {
  const float value = probe().sketch(3);
  probe().set_sketch(3, value + 0.05f);
  ExpectRefused("golden_probe.sketch: ");
  probe().set_sketch(3, value);
  probe().set_photo(0, probe().photo(0) - 0.05f);
  ExpectRefused("golden_probe.photo: ");
}

TEST_F(GoldenProbeTest, RoundingPasses) {
  probe().set_photo(0, probe().photo(0) + 1e-6f);
  EXPECT_TRUE(LoadError().ok()) << LoadError();
}

TEST_F(GoldenProbeTest, WeightsThatDifferAreDataLoss) {
  network_->photo_backbone().parameters()[0].detach().mul_(-1);
  checkpoint_.weights = network_->Weights();
  ExpectRefused("golden_probe.photo: ");
}

TEST_F(GoldenProbeTest, PreprocessingThatDiffersIsDataLoss) {
  checkpoint_.manifest.mutable_photo()->set_edges(true);
  ExpectRefused("golden_probe.photo: ");
}

TEST_F(GoldenProbeTest, VectorsOfAnotherLengthOrWithoutLengthAreDataLoss) {
  const v1::GoldenProbe whole = probe();
  probe().add_photo(0);
  ExpectRefused("golden_probe.photo: 9 values, not 8");
  probe() = whole;
  for (float& value : *probe().mutable_photo()) value = 0;
  ExpectRefused("golden_probe.photo: zero or not finite");
  probe() = whole;
  probe().set_sketch(0, std::nanf(""));
  ExpectRefused("golden_probe.sketch: zero or not finite");
}

TEST_F(GoldenProbeTest, MissingProbeAndUnknownPictureAreDataLoss) {
  probe().set_image("s2p-probe-2");
  ExpectRefused("golden_probe.image: 's2p-probe-2'");
  probe().Clear();
  ExpectRefused("golden_probe.image: ''");
}

TEST_F(GoldenProbeTest, ToleranceThatProvesNothingIsDataLoss) {
  for (double tolerance : {0.0, -1.0, 0.5, 1.5, std::nan("")}) {
    probe().set_min_cosine_fp32(tolerance);
    ExpectRefused("golden_probe.min_cosine_fp32: ");
  }
}

TEST_F(GoldenProbeTest, FillingItLeavesNetworkAndRandomNumbersAlone) {
  network_->train();
  const std::string before = SerializeSafetensors(network_->Weights());
  torch::manual_seed(5);
  const torch::Tensor expected = torch::rand({4});
  torch::manual_seed(5);
  v1::CheckpointManifest manifest = NetworkManifest();
  ASSERT_TRUE(FillGoldenProbe(*network_, manifest).ok());
  EXPECT_TRUE(torch::rand({4}).equal(expected));
  EXPECT_TRUE(network_->is_training());
  EXPECT_TRUE(SerializeSafetensors(network_->Weights()) == before);
}

TEST_F(GoldenProbeTest, FillingItTwiceGivesTheSame) {
  v1::CheckpointManifest manifest = NetworkManifest();
  ASSERT_TRUE(FillGoldenProbe(*network_, manifest).ok());
  ASSERT_TRUE(FillGoldenProbe(*network_, manifest).ok());
  EXPECT_EQ(manifest.golden_probe().photo_size(), 8);
  EXPECT_EQ(manifest.golden_probe().min_cosine_fp32(), 0.9999);
  EXPECT_EQ(manifest.golden_probe().min_cosine_half(), 0.999);
  EXPECT_EQ(manifest.golden_probe().SerializeAsString(), probe().SerializeAsString());
}

// Readers of other builds draw these pictures, too: never change them, add a second kind.
TEST(ProbeImageTest, PixelsAreThoseOfTheFirstRelease) {
  const auto digest = [](v1::Modality modality) {
    const Image image = ProbeImage(modality);
    const absl::Span<const uint8_t> pixels = image.pixels();
    return absl::StrCat(image.width(), "x", image.height(), " ",
                        Sha256({reinterpret_cast<const char*>(pixels.data()), pixels.size()}));
  };
  EXPECT_EQ(digest(MODALITY_PHOTO),
            "128x96 8e58de7dcf9713b1b668d3a0b51752b1ab2f4b6966cc38b79da21d889ca0dc3c");
  EXPECT_EQ(digest(MODALITY_SKETCH),
            "120x160 9b1a818d84ae613147205d952cbad72df1bdc4ea59d25bb65f34cd5d6d1aeb6b");
}

class LoadEncoderTest : public EncoderTest {};

TEST_F(LoadEncoderTest, DevicesThatAreNotThereAreInvalidArgument) {
  for (const char* device : {"", "tpu", "CPU", "cuda", "cuda:", "cuda:-1", "cuda:x", "cuda:999",
                             "cuda:00", "cuda:99999999999"}) {
    const absl::Status status = LoadError({device, 0});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << device;
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("device: "))) << device;
  }
}

TEST_F(LoadEncoderTest, AutomaticDeviceIsAGpuWhereThereIsOne) {
  const auto encoder = LoadEncoder(checkpoint_, {"auto", 0});
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  EXPECT_EQ((*encoder)->device(), torch::cuda::is_available() ? "cuda:0" : "cpu");
}

TEST_F(LoadEncoderTest, EveryLayoutGivesTheNetworksEmbeddings) {
  const Encoding automatic = Encode(*Load(), {Input(0), Input(1), Input(2)});
  for (const char* layout : {"contiguous", "channels_last", "onednn"}) {
    EncoderOptions options{"cpu", 0};
    options.layout = layout;
    const auto encoder = LoadEncoder(checkpoint_, options);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
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
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    const Encoding encoding = Encode(**encoder, {Input(0), Input(1)});
    for (int i = 0; i < 2; ++i) {
      ExpectSameRow(encoding.embeddings.row(i), TrainersOutput(i).first, 1e-5, layout);
    }
  }
}

TEST_F(LoadEncoderTest, UnknownLayoutOrPrecisionIsInvalidArgumentByName) {
  EncoderOptions options{"cpu", 0};
  EXPECT_TRUE(CheckEncoderOptions(options).ok());
  options.layout = "nhwc";
  EXPECT_THAT(LoadError(options).message(), HasSubstr("'nhwc'"));
  EXPECT_THAT(CheckEncoderOptions(options).message(), HasSubstr("'nhwc'"));
  options.layout = "auto";
  options.precision = "int4";
  EXPECT_THAT(LoadError(options).message(), HasSubstr("'int4'"));
  options.precision = "half";
  const absl::Status status = LoadError(options);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("needs a GPU"));
  EXPECT_EQ(CheckEncoderOptions(options), status);
}

TEST_F(LoadEncoderTest, ThreadsAreSetForTheProcess) {
  ASSERT_TRUE(LoadError({"cpu", 1}).ok());
  EXPECT_EQ(at::get_num_threads(), 1);
  const absl::Status status = LoadError({"cpu", -1});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("threads: -1"));
}

TEST_F(LoadEncoderTest, WeightsThatDoNotFitAreDataLossNamingFileAndTensor) {
  checkpoint_.directory = "store/7";
  checkpoint_.weights.erase("neck.running_mean");
  const absl::Status status = LoadError();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("store/7/weights.safetensors: tensor 'neck.running_mean': missing"));
}

TEST_F(LoadEncoderTest, ManifestThatMakesNoSenseIsInvalidArgumentNamingTheField) {
  checkpoint_.manifest.mutable_sketch()->clear_mean();
  const absl::Status status = LoadError();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("mean"));
}

}  // namespace
}  // namespace s2p
