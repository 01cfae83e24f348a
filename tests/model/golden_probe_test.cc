// The golden probe: a checkpoint must embed it as its trainer did, or it is not served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "model/checkpoint.h"
#include "model/dual_encoder.h"
#include "model/encoder.h"
#include "model/safetensors.h"
#include "model/sha256.h"
#include "tests/model/encoder_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;
using v1::MODALITY_PHOTO;
using v1::MODALITY_SKETCH;

// Damages the manifest's probe and checks the status of loading.
class GoldenProbeTest : public EncoderTest {
 protected:
  void ExpectRefused(const std::string& field) {
    checkpoint_.directory = "store/7";
    const absl::Status status = LoadError();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("store/7/manifest.json: " + field)))
        << field;
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
  EXPECT_THAT(LoadError(), IsOk());
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
  ASSERT_THAT(FillGoldenProbe(*network_, manifest), IsOk());
  EXPECT_TRUE(torch::rand({4}).equal(expected));
  EXPECT_TRUE(network_->is_training());
  EXPECT_TRUE(SerializeSafetensors(network_->Weights()) == before);
}

TEST_F(GoldenProbeTest, FillingItTwiceGivesTheSame) {
  v1::CheckpointManifest manifest = NetworkManifest();
  ASSERT_THAT(FillGoldenProbe(*network_, manifest), IsOk());
  ASSERT_THAT(FillGoldenProbe(*network_, manifest), IsOk());
  EXPECT_EQ(manifest.golden_probe().photo_size(), 8);
  EXPECT_EQ(manifest.golden_probe().min_cosine_fp32(), 0.9999);
  EXPECT_EQ(manifest.golden_probe().min_cosine_half(), 0.999);
  EXPECT_EQ(manifest.golden_probe().SerializeAsString(), probe().SerializeAsString());
}

// Other builds draw these pictures, too, so never change them; add a second kind instead.
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

}  // namespace
}  // namespace s2p::test
