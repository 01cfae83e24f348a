#include "trainer/data/sampler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "trainer/ihda/training_format.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Ge;
using testing::Le;
using testing::Pair;
using testing::SizeIs;

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

// How often each image is in the epoch.
std::map<int, int> Seen(const std::vector<std::vector<int>>& batches) {
  std::map<int, int> seen;
  for (const std::vector<int>& batch : batches) {
    for (const int image : batch) ++seen[image];
  }
  return seen;
}

TEST(IdentitySamplerTest, EveryImageIsDealtOnceAnEpoch) {
  const auto sampler = IdentitySampler::Create(Labels(6, 8), 3, 4, 1);
  const auto batches = sampler->Epoch(4);
  EXPECT_EQ(batches.size(), 4u) << "12 groups of 4 images, 3 groups a batch";
  EXPECT_THAT(Seen(batches), AllOf(SizeIs(48), Each(Pair(testing::_, 1))));
}

TEST(IdentitySamplerTest, ShortGroupIsFilledWithOtherImagesOfItsIdentity) {
  const auto batches = IdentitySampler::Create(Labels(4, 5), 2, 4, 1)->Epoch(0);
  EXPECT_EQ(batches.size(), 4u);
  EXPECT_THAT(Seen(batches), SizeIs(20)) << "no image is left out";
  for (const std::vector<int>& batch : batches) {
    EXPECT_THAT(std::set<int>(batch.begin(), batch.end()), SizeIs(batch.size()))
        << "no image is twice in a batch";
  }
}

TEST(IdentitySamplerTest, FewImagesRepeat) {
  const auto sampler = IdentitySampler::Create(Labels(2, 1), 2, 4, 1);
  ASSERT_EQ(sampler->Epoch(0).size(), 1u);
  EXPECT_EQ(sampler->Epoch(0)[0].size(), 8u);
}

TEST(IdentitySamplerTest, BatchesAreOfNearlyEqualSize) {
  const auto batches = IdentitySampler::Create(Labels(7, 2), 3, 2, 1)->Epoch(0);
  std::multiset<size_t> sizes;
  for (const std::vector<int>& batch : batches) sizes.insert(batch.size());
  EXPECT_THAT(sizes, ElementsAre(4, 4, 6));
}

TEST(IdentitySamplerTest, NoBatchHasASingleIdentity) {
  const auto batches = IdentitySampler::Create(Labels(3, 2), 2, 2, 1)->Epoch(0);
  ASSERT_THAT(batches, SizeIs(1));
  EXPECT_THAT(batches[0], SizeIs(6));
}

TEST(IdentitySamplerTest, IdentityWithMostImagesTakesPartOnceInEachBatch) {
  std::vector<int> labels = Labels(5, 2);
  labels.insert(labels.end(), 1000, 5);
  const auto batches = IdentitySampler::Create(labels, 3, 2, 1)->Epoch(0);
  for (const std::vector<int>& batch : batches) {
    EXPECT_GE(batch.size(), 4u);
    EXPECT_LE(std::count_if(batch.begin(), batch.end(), [](int image) { return image >= 10; }), 2);
  }
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

// Sizes of the batches that `identities` with `sketches` sketches each are dealt into; checks that
// every sketch appears once and no identity twice in a batch.
std::multiset<size_t> DealPairs(int identities, int sketches, int pairs_per_batch) {
  const auto sampler =
      PairSampler::Create(Labels(identities, 1), Labels(identities, sketches), pairs_per_batch, 1);
  std::multiset<size_t> sizes;
  std::set<int> seen;
  for (const std::vector<SampledPair>& batch : sampler->Epoch(0)) {
    std::set<int> photos;
    for (const SampledPair& pair : batch) {
      EXPECT_TRUE(photos.insert(pair.photo).second) << "identity " << pair.photo << " twice";
      EXPECT_TRUE(seen.insert(pair.sketch).second) << "sketch " << pair.sketch << " twice";
    }
    sizes.insert(batch.size());
  }
  EXPECT_THAT(seen, SizeIs(identities * sketches)) << "every sketch once";
  return sizes;
}

TEST(PairSamplerTest, NoPairIsDroppedAndBatchesAreOfNearlyEqualSize) {
  EXPECT_THAT(DealPairs(304, 1, 150), ElementsAre(101, 101, 102)) << "the release's three updates";
  EXPECT_THAT(DealPairs(60, 1, 52), ElementsAre(30, 30));
  EXPECT_THAT(DealPairs(228, 4, 52), AllOf(SizeIs(18), Each(AllOf(Ge(50u), Le(51u)))));
  EXPECT_THAT(DealPairs(7, 3, 5), ElementsAre(4, 4, 4, 4, 5));
}

TEST(PairSamplerTest, NoBatchHasASinglePair) {
  EXPECT_THAT(DealPairs(3, 1, 2), ElementsAre(3));
  EXPECT_THAT(DealPairs(1, 1, 2), ElementsAre(1)) << "there is no other";
}

TEST(PairSamplerTest, IdentityWithMostSketchesTakesPartOnceInEachBatch) {
  std::vector<int> sketches = {0, 1, 2, 3};
  sketches.insert(sketches.end(), 500, 4);
  const auto sampler = PairSampler::Create({0, 1, 2, 3, 4}, sketches, 3, 1);
  for (const std::vector<SampledPair>& batch : sampler->Epoch(0)) {
    EXPECT_GE(batch.size(), 2u);
    EXPECT_LE(std::count_if(batch.begin(), batch.end(),
                            [](const SampledPair& pair) { return pair.photo == 4; }),
              1);
  }
}

TEST(PairSamplerTest, IdentitiesMeetInAllCombinations) {
  const auto sampler = PairSampler::Create(Labels(6, 1), Labels(6, 2), 3, 1);
  std::set<std::pair<int, int>> met;
  for (int epoch = 0; epoch < 40; ++epoch) {
    for (const std::vector<SampledPair>& batch : sampler->Epoch(epoch)) {
      for (const SampledPair& a : batch) {
        for (const SampledPair& b : batch) {
          if (a.photo < b.photo) met.insert({a.photo, b.photo});
        }
      }
    }
  }
  EXPECT_THAT(met, SizeIs(15));
}

TEST(PairSamplerTest, HundredThousandIdentitiesAreDealtOnceEach) {
  EXPECT_THAT(DealPairs(100'000, 1, 32), SizeIs(3125));
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

// How often an epoch draws each sketch, of which the last `made` are pseudo-sketches.
std::vector<int> Drawn(const std::vector<int>& sketch_labels, int photos, PairShare share,
                       int epoch = 0) {
  const auto sampler = PairSampler::Create(Labels(photos, 1), sketch_labels, 10, 1, share);
  EXPECT_THAT(sampler, IsOk());
  std::vector<int> times(sketch_labels.size());
  for (const auto& batch : sampler->Epoch(epoch)) {
    std::set<int> identities;
    for (const SampledPair& pair : batch) {
      ++times[static_cast<size_t>(pair.sketch)];
      EXPECT_TRUE(identities.insert(pair.photo).second) << "identity " << pair.photo << " twice";
    }
  }
  return times;
}

// Twenty sketches of people, and four pseudo-sketches of each of a hundred photos.
std::vector<int> TwentyAndMade() {
  std::vector<int> labels = Labels(20, 1);
  const std::vector<int> made = Labels(100, 4);
  labels.insert(labels.end(), made.begin(), made.end());
  return labels;
}

TEST(PairSamplerTest, PeoplesSketchesHaveTheirShareOfAnEpoch) {
  const std::vector<int> times = Drawn(TwentyAndMade(), 100, {400, 0.25});
  EXPECT_EQ(std::accumulate(times.begin(), times.end(), 0), 420);
  EXPECT_EQ(std::accumulate(times.begin(), times.begin() + 20, 0), 105);
  EXPECT_THAT(std::vector<int>(times.begin(), times.begin() + 20), Each(AllOf(Ge(5), Le(6))));
  EXPECT_THAT(std::vector<int>(times.begin() + 20, times.end()), Each(Le(1)));
}

TEST(PairSamplerTest, FewSketchesAreNotLearnedByHeart) {
  const std::vector<int> times = Drawn(TwentyAndMade(), 100, {400, 0.9});
  EXPECT_THAT(std::vector<int>(times.begin(), times.begin() + 20), Each(kMostRepeats));
}

// Three hundred sketches of ten of a hundred photos, and four pseudo-sketches of each photo.
TEST(PairSamplerTest, PopularPhotosLeaveNoBatchOut) {
  std::vector<int> labels = Labels(10, 30);
  const std::vector<int> made = Labels(100, 4);
  labels.insert(labels.end(), made.begin(), made.end());
  const std::vector<int> times = Drawn(labels, 100, {400, 0.86});
  EXPECT_EQ(std::accumulate(times.begin(), times.end(), 0), 700);
  // 70 batches, in each of which an identity may be once: all of 300, and 400 pseudo-sketches.
  EXPECT_EQ(std::accumulate(times.begin(), times.begin() + 300, 0), 602);
  const std::vector<int> few = Drawn(labels, 100, {400, 0.99});
  EXPECT_EQ(std::accumulate(few.begin(), few.end(), 0), 700);
}

TEST(PairSamplerTest, OtherPseudoSketchesHaveTheirTurnInTheNextEpoch) {
  const PairShare share{400, 0.25};
  const std::vector<int> first = Drawn(TwentyAndMade(), 100, share, 0);
  EXPECT_EQ(Drawn(TwentyAndMade(), 100, share, 0), first);
  EXPECT_NE(Drawn(TwentyAndMade(), 100, share, 1), first);
}

TEST(PairSamplerTest, ShareOfOneKindAloneChangesNothing) {
  EXPECT_THAT(Drawn(Labels(30, 2), 30, {60, 0.5}), Each(1));
  EXPECT_THAT(Drawn(Labels(30, 2), 30, {0, 0.5}), Each(1));
}

// Runs that are interrupted rely on it. Who changes the order on purpose raises kTrainingFormat
// (trainer/ihda/training_format.h) and writes the new order here.
TEST(TrainingFormatTest, EpochsAreThoseOfFormatOne) {
  std::string identities, pairs;
  for (const auto& batch : IdentitySampler::Create(Labels(5, 4), 2, 3, 7)->Epoch(3)) {
    for (const int image : batch) absl::StrAppend(&identities, image, " ");
    absl::StrAppend(&identities, "| ");
  }
  const auto sampler =
      PairSampler::Create(Labels(5, 4), Labels(5, 4), 3, 7, {/*made=*/10, /*human_share=*/0.4});
  for (const auto& batch : sampler->Epoch(3)) {
    for (const SampledPair& pair : batch)
      absl::StrAppend(&pairs, pair.photo, "-", pair.sketch, " ");
    absl::StrAppend(&pairs, "| ");
  }
  EXPECT_EQ(identities,
            "0 1 3 13 12 14 | 4 6 7 11 10 8 | 5 6 7 16 18 19 | 9 11 10 15 14 12 | "
            "2 1 3 17 16 19 | ");
  EXPECT_EQ(pairs,
            "5-7 17-19 14-15 | 2-0 11-8 12-14 | 2-2 11-11 | 4-5 17-18 14-13 | 6-4 10-10 14-13 | "
            "0-1 18-17 13-15 | 1-3 17-16 14-12 | ");
  EXPECT_EQ(kTrainingFormat, 1);
}

TEST(PairSamplerTest, NothingToPairIsRefused) {
  EXPECT_THAT(PairSampler::Create({0, 1}, {2, 3}, 2, 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(PairSampler::Create({0, 1}, {0, 1}, 1, 1),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace s2p::test
