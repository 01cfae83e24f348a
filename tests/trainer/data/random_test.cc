#include "trainer/data/random.h"

#include <gtest/gtest.h>

#include <set>

namespace s2p::test {
namespace {

// Two streams with one number do not compile here, and neither does a stream that is missing.
bool IsListed(RunStream stream) {
  switch (stream) {
    case RunStream::kPairSampling:
    case RunStream::kSourceSampling:
    case RunStream::kAugmentation:
    case RunStream::kMirror:
    case RunStream::kPseudoSketches:
    case RunStream::kTorch:
    case RunStream::kRepeats:
    case RunStream::kPhotoTriplets:
      return true;
  }
  return false;
}

TEST(RunStreamTest, EachHasASeedOfItsOwn) {
  std::set<uint64_t> seeds;
  int streams = 0;
  for (uint64_t number = 0; number < 100; ++number) {
    const auto stream = static_cast<RunStream>(number);
    if (!IsListed(stream)) continue;
    ++streams;
    seeds.insert(SeedOf(1, stream));
  }
  EXPECT_EQ(streams, 8);
  EXPECT_EQ(seeds.size(), 8u);
}

// Published figures and interrupted runs depend on them.
TEST(RunStreamTest, NumbersStayAsTheyAre) {
  EXPECT_EQ(SeedOf(5, RunStream::kPairSampling), SeedOf(5, uint64_t{1}));
  EXPECT_EQ(SeedOf(5, RunStream::kSourceSampling), SeedOf(5, uint64_t{2}));
  EXPECT_EQ(SeedOf(5, RunStream::kAugmentation), SeedOf(5, uint64_t{3}));
  EXPECT_EQ(SeedOf(5, RunStream::kMirror), SeedOf(5, uint64_t{4}));
  EXPECT_EQ(SeedOf(5, RunStream::kPseudoSketches), SeedOf(5, uint64_t{5}));
  EXPECT_EQ(SeedOf(5, RunStream::kTorch), SeedOf(5, uint64_t{7}));
  EXPECT_EQ(SeedOf(5, RunStream::kRepeats), SeedOf(5, uint64_t{8}));
  EXPECT_EQ(SeedOf(5, RunStream::kPhotoTriplets), SeedOf(5, uint64_t{9}));
}

}  // namespace
}  // namespace s2p::test
