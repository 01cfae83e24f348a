#include "trainer/data/sampler.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

// Image i has the label i / images.
std::vector<int> Labels(int identities, int images) {
  std::vector<int> labels;
  for (int i = 0; i < identities * images; ++i) labels.push_back(i / images);
  return labels;
}

TEST(IdentitySamplerTest, BatchHasEachOfItsIdentitiesImagesSideBySide) {
  const auto sampler = IdentitySampler::Create(Labels(6, 5), 3, 4, 1);
  ASSERT_THAT(sampler, IsOk());
  for (const std::vector<int>& batch : sampler->Epoch(0)) {
    ASSERT_EQ(batch.size(), 12u);
    std::set<int> identities;
    for (int k = 0; k < 3; ++k) {
      std::set<int> images;
      for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(batch[k * 4 + i] / 5, batch[k * 4] / 5);
        images.insert(batch[k * 4 + i]);
      }
      EXPECT_EQ(images.size(), 4u) << "five images: none need repeat";
      identities.insert(batch[k * 4] / 5);
    }
    EXPECT_EQ(identities.size(), 3u);
  }
}

TEST(IdentitySamplerTest, EveryIdentityIsThereOnceAnEpoch) {
  const auto sampler = IdentitySampler::Create(Labels(6, 2), 3, 2, 1);
  std::map<int, int> seen;
  for (const std::vector<int>& batch : sampler->Epoch(4)) {
    for (size_t i = 0; i < batch.size(); i += 2) ++seen[batch[i] / 2];
  }
  EXPECT_EQ(seen.size(), 6u);
  for (const auto& [identity, times] : seen) EXPECT_EQ(times, 1) << identity;
}

TEST(IdentitySamplerTest, FewImagesRepeat) {
  const auto sampler = IdentitySampler::Create(Labels(2, 1), 2, 4, 1);
  ASSERT_EQ(sampler->Epoch(0).size(), 1u);
  EXPECT_EQ(sampler->Epoch(0)[0].size(), 8u);
}

TEST(IdentitySamplerTest, ShortLastBatchIsDroppedUnlessItIsTheOnlyOne) {
  EXPECT_EQ(IdentitySampler::Create(Labels(7, 2), 3, 2, 1)->Epoch(0).size(), 2u);
  const auto only = IdentitySampler::Create(Labels(2, 2), 3, 2, 1)->Epoch(0);
  ASSERT_EQ(only.size(), 1u);
  EXPECT_EQ(only[0].size(), 4u);
}

TEST(IdentitySamplerTest, EpochIsAFunctionOfSeedAndNumber) {
  const auto a = IdentitySampler::Create(Labels(8, 3), 4, 2, 1);
  const auto b = IdentitySampler::Create(Labels(8, 3), 4, 2, 2);
  EXPECT_EQ(a->Epoch(3), a->Epoch(3));
  EXPECT_NE(a->Epoch(3), a->Epoch(4));
  EXPECT_NE(a->Epoch(3), b->Epoch(3));
}

TEST(IdentitySamplerTest, OneIdentityIsRefused) {
  const auto sampler = IdentitySampler::Create(Labels(1, 5), 2, 2, 1);
  EXPECT_THAT(sampler, StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PairSamplerTest, PairsAreOfOneIdentityAndDistinctInABatch) {
  const auto sampler = PairSampler::Create(Labels(6, 2), Labels(6, 1), 3, 1);
  ASSERT_THAT(sampler, IsOk());
  std::set<int> sketches;
  for (const std::vector<SampledPair>& batch : sampler->Epoch(0)) {
    std::set<int> identities;
    for (const SampledPair& pair : batch) {
      EXPECT_EQ(pair.photo / 2, pair.sketch);
      EXPECT_TRUE(identities.insert(pair.sketch).second);
      sketches.insert(pair.sketch);
    }
  }
  EXPECT_EQ(sketches.size(), 6u) << "every sketch once an epoch";
}

TEST(PairSamplerTest, EveryPhotoOfAnIdentityHasItsTurn) {
  const auto sampler = PairSampler::Create(Labels(2, 3), Labels(2, 1), 2, 1);
  std::set<int> photos;
  for (int epoch = 0; epoch < 40; ++epoch) {
    for (const auto& batch : sampler->Epoch(epoch)) {
      for (const SampledPair& pair : batch) photos.insert(pair.photo);
    }
  }
  EXPECT_EQ(photos.size(), 6u);
}

TEST(PairSamplerTest, IdentityOfOneModalityIsLeftOut) {
  const auto sampler = PairSampler::Create({0, 1, 2}, {0, 1, 3}, 2, 1);
  ASSERT_THAT(sampler, IsOk());
  for (const auto& batch : sampler->Epoch(0)) {
    for (const SampledPair& pair : batch) EXPECT_LE(pair.sketch, 1);
  }
}

TEST(PairSamplerTest, NothingToPairIsRefused) {
  EXPECT_THAT(PairSampler::Create({0, 1}, {2, 3}, 2, 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PairSampler::Create({0, 1}, {0, 1}, 1, 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace s2p::test
