#include "trainer/memory/allocation_counter.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace s2p {
namespace {

constexpr uint64_t kBytes = 1000 * 4;

TEST(AllocationCounterTest, LiveFallsAndPeakStays) {
  AllocationCounter counter;
  EXPECT_EQ(counter.live_bytes(), 0);
  { const torch::Tensor tensor = torch::empty({1000}); }
  EXPECT_EQ(counter.live_bytes(), 0);
  EXPECT_EQ(counter.peak_bytes(), kBytes);
  const torch::Tensor kept = torch::empty({2000});
  EXPECT_EQ(counter.live_bytes(), 2 * kBytes);
  counter.ResetPeak();
  EXPECT_EQ(counter.peak_bytes(), 2 * kBytes);
}

TEST(AllocationCounterTest, TensorFromBeforeIsNotCounted) {
  torch::Tensor before = torch::empty({1000});
  AllocationCounter counter;
  before = torch::Tensor();
  EXPECT_EQ(counter.live_bytes(), 0);
}

TEST(AllocationCounterTest, WayBackIsCounted) {
  const torch::Tensor x = torch::ones({1000}).set_requires_grad(true);
  AllocationCounter counter;
  (x * x).sum().backward();
  // The gradient is what stays.
  EXPECT_EQ(counter.live_bytes(), kBytes);
  EXPECT_GE(counter.peak_bytes(), 2 * kBytes);
}

TEST(AllocationCounterTest, InnerCounterTakesWhatIsItsOwn) {
  AllocationCounter outer;
  {
    AllocationCounter inner;
    const torch::Tensor tensor = torch::empty({1000});
    EXPECT_EQ(inner.live_bytes(), kBytes);
  }
  EXPECT_EQ(outer.peak_bytes(), 0);
}

}  // namespace
}  // namespace s2p
