#include "model/precision.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

bool Yes() { return true; }
bool No() { return false; }

TEST(PrecisionTest, NamesRoundTrip) {
  for (const Precision precision :
       {Precision::kFloat32, Precision::kBfloat16, Precision::kFloat16}) {
    EXPECT_EQ(PrecisionOf(NameOf(precision)), precision);
  }
  for (const char* name : {"", "auto", "BF16", "bfloat16", "fp16", "bf16 "}) {
    EXPECT_EQ(PrecisionOf(name), std::nullopt) << name;
  }
}

TEST(CheckPrecisionTest, Bfloat16OnACpuWithoutItNamesTheFlagAndTheRemedy) {
  EXPECT_THAT(CheckPrecision(Precision::kBfloat16, /*on_cpu=*/true, No),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("precision: 'bf16'"), HasSubstr("AVX512-BF16"),
                             HasSubstr("--precision fp32"), HasSubstr("auto"))));
}

TEST(CheckPrecisionTest, Bfloat16PassesWhereItIs) {
  EXPECT_THAT(CheckPrecision(Precision::kBfloat16, /*on_cpu=*/true, Yes), IsOk());
  EXPECT_THAT(CheckPrecision(Precision::kBfloat16, /*on_cpu=*/false, No), IsOk());
}

TEST(CheckPrecisionTest, Float16IsForGpus) {
  EXPECT_THAT(CheckPrecision(Precision::kFloat16, /*on_cpu=*/true, Yes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("needs a GPU")));
  EXPECT_THAT(CheckPrecision(Precision::kFloat16, /*on_cpu=*/false, No), IsOk());
}

TEST(CheckPrecisionTest, Float32PassesEverywhere) {
  for (const bool on_cpu : {false, true}) {
    EXPECT_THAT(CheckPrecision(Precision::kFloat32, on_cpu, No), IsOk());
  }
}

}  // namespace
}  // namespace s2p::test
