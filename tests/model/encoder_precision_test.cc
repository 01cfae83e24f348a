// Encoders in reduced precision: what they are refused for, how close they are to float32, and what
// "auto" makes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/encoder.h"
#include "model/precision.h"
#include "tests/model/backbone/small_transformer.h"
#include "tests/model/encoder_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr char kNeedsBf16[] = "this CPU has no AVX512-BF16, or this LibTorch no oneDNN";
constexpr double kMinCosine = 0.999;

v1::CheckpointManifest TransformerManifest() {
  v1::CheckpointManifest manifest = NetworkManifest();
  v1::Backbone& backbone = *manifest.mutable_backbone();
  backbone.set_arch("vit");
  backbone.set_last_stage(4);
  *backbone.mutable_transformer() = SmallTransformer();
  backbone.mutable_transformer()->set_registers(2);
  backbone.mutable_transformer()->set_pre_norm(true);
  backbone.mutable_transformer()->set_layer_scale(true);
  backbone.mutable_transformer()->set_attention_pool(true);
  manifest.mutable_embedding()->set_pooling(v1::POOLING_SUMMARY);
  return manifest;
}

v1::CheckpointManifest ConvNextManifest() {
  v1::CheckpointManifest manifest = NetworkManifest();
  manifest.mutable_backbone()->set_arch("convnext_tiny");
  manifest.mutable_backbone()->set_shared(true);
  return manifest;
}

class EncoderPrecisionTest : public EncoderTest {
 protected:
  explicit EncoderPrecisionTest(const v1::CheckpointManifest& manifest = NetworkManifest())
      : EncoderTest(manifest) {}

  static EncoderOptions In(const std::string& precision, bool cpu_has_bf16 = CpuHasBf16()) {
    EncoderOptions options;
    options.device = "cpu";
    options.precision = precision;
    options.cpu_has_bf16 = [cpu_has_bf16] { return cpu_has_bf16; };
    return options;
  }
  std::unique_ptr<const Encoder> MustLoad(const EncoderOptions& options) {
    auto encoder = LoadEncoder(checkpoint_, options);
    EXPECT_THAT(encoder, IsOk());
    return *std::move(encoder);
  }
  // Every picture's embedding in bfloat16 is close to that in float32, and not equal to it.
  void ExpectClose(const std::string& layout = "auto") {
    EncoderOptions options = In("bf16");
    options.layout = layout;
    const auto full = Load(), reduced = MustLoad(options);
    std::vector<EncoderInput> inputs;
    for (int i = 0; i < 6; ++i) inputs.push_back(Input(i));
    const Encoding want = Encode(*full, inputs), got = Encode(*reduced, inputs);
    bool equal = true;
    for (int i = 0; i < want.embeddings.rows(); ++i) {
      const auto a = want.embeddings.row(i), b = got.embeddings.row(i);
      EXPECT_GE(CosineSimilarity(a, b), kMinCosine) << layout << ", picture " << i;
      equal = equal && std::equal(a.begin(), a.end(), b.begin());
      for (int k = 0; k < want.attributes.dimension(); ++k) {
        EXPECT_NEAR(got.attributes.row(i)[k], want.attributes.row(i)[k], 0.05) << layout;
      }
    }
    EXPECT_FALSE(equal) << "was it computed in bfloat16?";
  }
};

TEST_F(EncoderPrecisionTest, Bfloat16OnACpuWithoutItIsRefused) {
  const EncoderOptions options = In("bf16", /*cpu_has_bf16=*/false);
  const absl::Status status = LoadError(options);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("AVX512-BF16"), HasSubstr("--precision fp32"))));
  EXPECT_EQ(CheckEncoderOptions(options), status);
}

TEST_F(EncoderPrecisionTest, AutoOnACpuWithoutBfloat16IsFloat32AndSaysWhy) {
  const EncoderOptions options = In("auto", /*cpu_has_bf16=*/false);
  EXPECT_THAT(CheckEncoderOptions(options), IsOk());
  const PrecisionChoice choice = MustLoad(options)->precision_choice();
  EXPECT_EQ(choice.precision, Precision::kFloat32);
  EXPECT_EQ(choice.reason, "not bf16: this CPU lacks AVX512-BF16");
  EXPECT_FALSE(choice.doubtful);
}

TEST_F(EncoderPrecisionTest, Float32ByNameNeedsNoReason) {
  const auto encoder = MustLoad(In("fp32"));
  EXPECT_EQ(encoder->precision_choice().precision, Precision::kFloat32);
  EXPECT_THAT(encoder->precision_choice().reason, IsEmpty());
}

TEST_F(EncoderPrecisionTest, Bfloat16IsCloseInEveryLayout) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  for (const char* layout : {"contiguous", "channels_last", "onednn"}) ExpectClose(layout);
}

TEST_F(EncoderPrecisionTest, Bfloat16ByNameServesAndSaysWhatWasMeasured) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  const auto encoder = MustLoad(In("bf16"));
  EXPECT_EQ(encoder->precision_choice().precision, Precision::kBfloat16);
  EXPECT_THAT(encoder->precision_choice().reason, HasSubstr("lowest cosine similarity 0.9"));
  EXPECT_THAT(encoder->description(), HasSubstr(", bf16"));
}

TEST_F(EncoderPrecisionTest, AutoChoosesByWhatItMeasures) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  const PrecisionChoice choice = MustLoad(In("auto"))->precision_choice();
  EXPECT_THAT(choice.reason, HasSubstr("of the 10 best photos stay"));
  EXPECT_THAT(choice.reason, AnyOf(StartsWith("it agrees"), StartsWith("not bf16: ")));
  EXPECT_EQ(choice.precision == Precision::kBfloat16, choice.reason.find("it agrees") == 0);
  EXPECT_FALSE(choice.doubtful);
}

TEST_F(EncoderPrecisionTest, ProbeThatBfloat16MissesIsRefusedByNameAndFloat32ByAuto) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  checkpoint_.manifest.mutable_golden_probe()->set_min_cosine_half(1);
  EXPECT_THAT(LoadError(In("bf16")),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("golden_probe."), HasSubstr("in precision bf16"),
                             HasSubstr("--precision fp32"))));
  const PrecisionChoice choice = MustLoad(In("auto"))->precision_choice();
  EXPECT_EQ(choice.precision, Precision::kFloat32);
  EXPECT_THAT(choice.reason, StartsWith("not bf16: golden_probe."));
}

TEST_F(EncoderPrecisionTest, AutoServesInFloat32WhateverGoesWrongInBfloat16) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  // A manifest without the tolerance of reduced precision: it proves nothing, so bf16 is DataLoss.
  checkpoint_.manifest.mutable_golden_probe()->set_min_cosine_half(0);
  EXPECT_THAT(LoadError(In("bf16")), StatusIs(absl::StatusCode::kDataLoss, testing::_));
  const PrecisionChoice choice = MustLoad(In("auto"))->precision_choice();
  EXPECT_EQ(choice.precision, Precision::kFloat32);
  EXPECT_THAT(choice.reason, StartsWith("not bf16: "));
}

TEST_F(EncoderPrecisionTest, WeightsThatFailTheProbeInFloat32AreDataLossInEveryPrecision) {
  float* value = checkpoint_.manifest.mutable_golden_probe()->mutable_photo()->mutable_data();
  // Within the tolerance of reduced precision, and outside that of float32.
  value[0] += 0.02f;
  for (const char* precision : {"fp32", "auto", "bf16"}) {
    if (precision == std::string("bf16") && !CpuHasBf16()) continue;
    EXPECT_THAT(LoadError(In(precision)),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr("golden_probe.photo: ")))
        << precision;
  }
}

// A query may be encoded alone or with others; its photos' ranks must not depend on that.
TEST_F(EncoderPrecisionTest, Bfloat16DoesNotDependOnTheBatch) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  const auto encoder = MustLoad(In("bf16"));
  std::vector<EncoderInput> inputs;
  for (int i = 0; i < 12; ++i) inputs.push_back(Input(i % 6));
  const Encoding together = Encode(*encoder, inputs);
  for (int i = 0; i < 6; ++i) {
    const Encoding alone = Encode(*encoder, {inputs[i]});
    EXPECT_GE(CosineSimilarity(together.embeddings.row(i), alone.embeddings.row(0)), 0.99999) << i;
  }
}

class TransformerPrecisionTest : public EncoderPrecisionTest {
 protected:
  TransformerPrecisionTest() : EncoderPrecisionTest(TransformerManifest()) {}
};

TEST_F(TransformerPrecisionTest, Bfloat16IsClose) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  ExpectClose();
}

class ConvNextPrecisionTest : public EncoderPrecisionTest {
 protected:
  ConvNextPrecisionTest() : EncoderPrecisionTest(ConvNextManifest()) {}
};

TEST_F(ConvNextPrecisionTest, Bfloat16IsClose) {
  if (!CpuHasBf16()) GTEST_SKIP() << kNeedsBf16;
  ExpectClose("channels_last");
}

}  // namespace
}  // namespace s2p::test
