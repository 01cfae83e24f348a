#include "model/encoder_agreement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "model/sha256.h"
#include "tests/testing/fake_encoder.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr double kMinCosine = 0.999;

// Unit vectors in the plane, at these angles in degrees.
EmbeddingMatrix AtAngles(const std::vector<double>& degrees) {
  EmbeddingMatrix matrix(static_cast<int>(degrees.size()), 2);
  for (size_t i = 0; i < degrees.size(); ++i) {
    const double radians = degrees[i] * std::acos(-1.0) / 180;
    matrix.row(static_cast<int>(i))[0] = static_cast<float>(std::cos(radians));
    matrix.row(static_cast<int>(i))[1] = static_cast<float>(std::sin(radians));
  }
  return matrix;
}

// Photos at 1, 2, ... 12 degrees; a sketch at 0 finds the first ten.
std::vector<double> Twelve() {
  std::vector<double> degrees;
  for (int i = 1; i <= 12; ++i) degrees.push_back(i);
  return degrees;
}

TEST(AgreementOfTest, SameEmbeddingsAgree) {
  const EmbeddedPictures full = {AtAngles(Twelve()), AtAngles({0, 5})};
  const EncoderAgreement agreement = AgreementOf(full, full);
  EXPECT_NEAR(agreement.min_cosine, 1, 1e-6);
  EXPECT_EQ(agreement.top10, 1);
}

TEST(AgreementOfTest, LowestCosineIsThatOfTheWorstPicture) {
  const EmbeddedPictures full = {AtAngles({10, 20}), AtAngles({0, 5})};
  const EmbeddedPictures photo = {AtAngles({10, 23}), AtAngles({0, 6})};
  EXPECT_NEAR(AgreementOf(full, photo).min_cosine, std::cos(3 * std::acos(-1.0) / 180), 1e-6);
  const EmbeddedPictures sketch = {AtAngles({11, 20}), AtAngles({0, 7})};
  EXPECT_NEAR(AgreementOf(full, sketch).min_cosine, std::cos(2 * std::acos(-1.0) / 180), 1e-6);
}

TEST(AgreementOfTest, PhotoThatLeavesTheTenBestIsATenthOfItsSketch) {
  const EmbeddedPictures full = {AtAngles(Twelve()), AtAngles({0, 13})};
  std::vector<double> moved = Twelve();
  // Photo 10 trades places with photo 11. The sketch at 13 degrees finds 3 to 12 all the same.
  std::swap(moved[9], moved[10]);
  const EmbeddedPictures reduced = {AtAngles(moved), full.sketches};
  EXPECT_NEAR(AgreementOf(full, reduced).top10, 0.95, 1e-9);
}

TEST(AgreementOfTest, OrderAmongTheTenBestDoesNotCount) {
  const EmbeddedPictures full = {AtAngles(Twelve()), AtAngles({0})};
  std::vector<double> moved = Twelve();
  std::swap(moved[0], moved[8]);
  EXPECT_EQ(AgreementOf(full, {AtAngles(moved), full.sketches}).top10, 1);
}

// Errors of both sides that cancel out show when only one side is in reduced precision.
TEST(AgreementOfTest, SketchesAgainstPhotosEmbeddedBeforeCount) {
  const EmbeddedPictures full = {AtAngles(Twelve()), AtAngles({0})};
  std::vector<double> turned = Twelve();
  for (double& degrees : turned) degrees += 9;
  const EmbeddedPictures reduced = {AtAngles(turned), AtAngles({9})};
  // At 9 degrees, photos 3 to 12 are the best of the old photos.
  EXPECT_NEAR(AgreementOf(full, reduced).top10, 0.8, 1e-9);
}

TEST(AgreementOfTest, FewerThanTenPhotosAreAllAmongTheBest) {
  const EmbeddedPictures full = {AtAngles({1, 2}), AtAngles({0})};
  EXPECT_EQ(AgreementOf(full, {AtAngles({2, 1}), full.sketches}).top10, 1);
}

TEST(CheckAgreementTest, AgreementThatIsFasterPasses) {
  EXPECT_THAT(CheckAgreement({kMinCosine, kMinTop10Agreement, 0.9}, kMinCosine), IsOk());
}

TEST(CheckAgreementTest, EachMeasureAloneRefuses) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [](const std::string& words) {
    return StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(words));
  };
  EXPECT_THAT(CheckAgreement({0.998, 1, 0.3}, kMinCosine),
              refused("an embedding is less similar than 0.999 (lowest cosine similarity 0.99800"));
  EXPECT_THAT(CheckAgreement({1, 0.94, 0.3}, kMinCosine),
              refused("fewer than 95 % of the best photos stay"));
  EXPECT_THAT(CheckAgreement({1, 1, 1.57}, kMinCosine), refused("1.57 of the time)"));
  for (const EncoderAgreement& agreement :
       {EncoderAgreement{nan, 1, 0.3}, {1, nan, 0.3}, {1, 1, nan}}) {
    EXPECT_THAT(CheckAgreement(agreement, kMinCosine),
                StatusIs(absl::StatusCode::kFailedPrecondition));
  }
}

TEST(MeasureAgreementTest, EncoderAgreesWithItselfAndNotWithAnother) {
  const FakeEncoder encoder(1), other(2);
  const auto same = MeasureAgreement(encoder, encoder);
  ASSERT_THAT(same, IsOk());
  EXPECT_NEAR(same->min_cosine, 1, 1e-6);
  EXPECT_EQ(same->top10, 1);
  EXPECT_NEAR(same->time_ratio, 1, 1e-6) << "a fake encoder's time is fixed";
  const auto different = MeasureAgreement(encoder, other);
  ASSERT_THAT(different, IsOk());
  EXPECT_LT(different->min_cosine, 0.9);
  EXPECT_LT(different->top10, 0.9);
}

TEST(MeasureAgreementTest, FailureOfAnEncoderIsTheResult) {
  FakeEncoderOptions options;
  options.on_encode = [](absl::Span<const EncoderInput>) {
    return absl::ResourceExhaustedError("no memory");
  };
  EXPECT_THAT(MeasureAgreement(FakeEncoder(1), FakeEncoder(options)).status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

std::string DigestOf(const Image& image) {
  const absl::Span<const uint8_t> pixels = image.pixels();
  return Sha256({reinterpret_cast<const char*>(pixels.data()), pixels.size()});
}

TEST(AgreementPictureTest, PicturesAreAllDifferent) {
  std::set<std::string> digests;
  for (int i = 0; i < 64; ++i) {
    digests.insert(DigestOf(AgreementPicture(v1::MODALITY_PHOTO, i)));
    digests.insert(DigestOf(AgreementPicture(v1::MODALITY_SKETCH, i)));
  }
  EXPECT_THAT(digests, SizeIs(128));
}

// A verdict should not depend on the program's build.
TEST(AgreementPictureTest, PixelsAreTheSameOnEveryMachine) {
  EXPECT_EQ(DigestOf(AgreementPicture(v1::MODALITY_PHOTO, 3)),
            "bee93ca22982b765ca2ed43faafeb60948142fa34ca8ce18b8d9ae9d2abce8d3");
  EXPECT_EQ(DigestOf(AgreementPicture(v1::MODALITY_SKETCH, 3)),
            "8fa11c086bfd8e09bb8f5b78e94fdf68d2b86abdee68225de501f07c8dd6f133");
}

TEST(AgreementPictureTest, SketchesAreInkOnPaper) {
  const Image sketch = AgreementPicture(v1::MODALITY_SKETCH, 5);
  int ink = 0;
  for (const uint8_t value : sketch.pixels()) {
    ASSERT_TRUE(value == 0 || value == 255);
    ink += value == 0 ? 1 : 0;
  }
  const double share = static_cast<double>(ink) / static_cast<double>(sketch.pixels().size());
  EXPECT_GT(share, 0.01);
  EXPECT_LT(share, 0.3);
}

}  // namespace
}  // namespace s2p::test
