#include "trainer/ihda/device_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

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

}  // namespace
}  // namespace s2p::test
