// An encoder's checkpoint on small networks, and pictures to encode.
#ifndef S2P_TESTS_MODEL_ENCODER_FIXTURE_H_
#define S2P_TESTS_MODEL_ENCODER_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "image/preprocessor.h"
#include "model/encoder.h"
#include "tests/model/golden_weights.h"
#include "tests/model/small_network.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

// A picture whose pixels and size depend on the number.
inline Image Picture(int number) {
  Image image(40 + 7 * number, 90 - 5 * number);
  const GoldenSequence u(absl::StrCat("picture ", number));
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width() * Image::kChannels; ++x) {
      // Blocks, so that some structure is left after the resize.
      image.row(y)[x] = static_cast<uint8_t>(255 * u[y / 16 * 1000 + x / 48]);
    }
  }
  return image;
}

class EncoderTest : public testing::Test {
 protected:
  explicit EncoderTest(const v1::CheckpointManifest& manifest = NetworkManifest()) {
    network_ = CreateNetwork(manifest);
    FillModule(*network_);
    network_->eval();
    checkpoint_.manifest = manifest;
    checkpoint_.weights = network_->Weights();
    const absl::Status status = FillGoldenProbe(*network_, checkpoint_.manifest);
    EXPECT_THAT(status, IsOk());
    for (int i = 0; i < 6; ++i) pictures_.push_back(Picture(i));
  }

  std::unique_ptr<const Encoder> Load() {
    EncoderOptions options;
    options.device = "cpu";
    auto encoder = LoadEncoder(checkpoint_, options);
    EXPECT_THAT(encoder, IsOk());
    return *std::move(encoder);
  }
  absl::Status LoadError(const EncoderOptions& options = {"cpu", 0}) {
    return LoadEncoder(checkpoint_, options).status();
  }
  // Even pictures are photos, odd ones sketches.
  EncoderInput Input(int number) const {
    return {&pictures_[number], number % 2 == 0 ? v1::MODALITY_PHOTO : v1::MODALITY_SKETCH};
  }
  static Encoding Encode(const Encoder& encoder, const std::vector<EncoderInput>& inputs) {
    auto encoding = encoder.Encode(inputs);
    EXPECT_THAT(encoding, IsOk());
    return *std::move(encoding);
  }
  // Training's output for this picture: the networks one by one, without an Encoder.
  std::pair<std::vector<float>, std::vector<float>> TrainersOutput(int number) {
    torch::NoGradGuard no_grad;
    const EncoderInput input = Input(number);
    const auto preprocessor =
        Preprocessor::Create(input.modality == v1::MODALITY_PHOTO ? checkpoint_.manifest.photo()
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

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_ENCODER_FIXTURE_H_
