#include "trainer/ihda/device_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/no_tensor_memory.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/ihda/trained_model.h"

namespace s2p::test {
namespace {

TEST(DeviceMemoryTest, DeviceThatIsFullIsNoFullDisk) {
  EXPECT_THAT(WithoutDeviceMemory(absl::ResourceExhaustedError("out of memory"), "buy some"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "out of memory; buy some"));
}

TEST(DeviceMemoryTest, OtherErrorsStayAsTheyAre) {
  EXPECT_THAT(WithoutDeviceMemory(absl::OkStatus(), "x"), IsOk());
  EXPECT_THAT(WithoutDeviceMemory(absl::InternalError("lost"), "x"),
              StatusIs(absl::StatusCode::kInternal, "lost"));
}

using FullDeviceTest = TinyRunTest;

TEST_F(FullDeviceTest, EvaluationAndModelThatFindNoRoomAreNoFullDisk) {
  const auto trainer = Create(Spec());
  ASSERT_THAT(trainer, IsOk());
  const NoTensorMemory full;
  const auto is_full = StatusIs(absl::StatusCode::kFailedPrecondition,
                                testing::HasSubstr("lower batch_size, or raise accumulate"));
  EXPECT_THAT((*trainer)->EvaluateAll(), is_full);
  EXPECT_THAT((*trainer)->Run(), is_full);
  EXPECT_THAT((*trainer)->Model({}, "job"), is_full);
}

using TrainedModelTest = TinyRunTest;

// A tensor of the meta device has no values, so that reading them throws, as a device may.
TEST_F(TrainedModelTest, DeviceThatCannotBeReadIsAnError) {
  const auto resolved = ResolveSpec(Spec());
  ASSERT_THAT(resolved, IsOk());
  const auto data_sets = OpenTrainingDataSets(*resolved);
  ASSERT_THAT(data_sets, IsOk());
  const auto manifest = ManifestOf(*resolved, data_sets->attributes());
  ASSERT_THAT(manifest, IsOk());
  const auto encoder = DualEncoder::Create(*manifest);
  ASSERT_THAT(encoder, IsOk());
  (*encoder)->register_buffer("lost", torch::empty({2}, torch::kMeta));
  EXPECT_THAT(MakeTrainedModel(*resolved, *data_sets, {}, *manifest, {}, "job", **encoder),
              StatusIs(absl::StatusCode::kInternal, testing::HasSubstr("weights: ")));
}

}  // namespace
}  // namespace s2p::test
