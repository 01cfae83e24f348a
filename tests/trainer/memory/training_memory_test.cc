#include "trainer/memory/training_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/memory/allocation_counter.h"

namespace s2p::test {
namespace {

class TrainingMemoryTest : public TinyRunTest {
 protected:
  static TrainingMemory Measure(const std::vector<std::string>& fields, int ranks = 1) {
    const auto resolved = ResolveSpec(With(Spec(), fields));
    EXPECT_THAT(resolved, IsOk());
    const auto data_sets = OpenTrainingDataSets(*resolved);
    EXPECT_THAT(data_sets, IsOk());
    const auto memory = MeasureTrainingMemory(*data_sets, *resolved, ranks);
    EXPECT_THAT(memory, IsOk());
    return memory.ok() ? *memory : TrainingMemory();
  }
  // The most that a run has in tensors.
  uint64_t BytesOfRun(const std::vector<std::string>& fields) {
    AllocationCounter counter;
    Train(With(Spec(), fields));
    return counter.peak_bytes();
  }
  void ExpectRunTakesThat(const std::vector<std::string>& fields) {
    const auto expected = static_cast<double>(Measure(fields).total_bytes());
    const auto taken = static_cast<double>(BytesOfRun(fields));
    EXPECT_NEAR(taken / expected, 1, 0.25);
  }
  // Fields with which the batch, not the networks, takes most of the memory.
  static const std::vector<std::string>& Large() {
    static const auto& fields = *new std::vector<std::string>{
        "photo.height=96", "photo.width=96", "sketch.height=96", "sketch.width=96"};
    return fields;
  }
  static std::vector<std::string> Large(const std::string& field) {
    std::vector<std::string> fields = Large();
    fields.push_back(field);
    return fields;
  }
};

TEST_F(TrainingMemoryTest, RunTakesWhatWasMeasured) { ExpectRunTakesThat({}); }

TEST_F(TrainingMemoryTest, RunOfLargeImagesTakesWhatWasMeasured) { ExpectRunTakesThat(Large()); }

TEST_F(TrainingMemoryTest, RunOfTwoEncodersTakesWhatWasMeasured) {
  ExpectRunTakesThat(Large("backbone.shared=false"));
}

TEST_F(TrainingMemoryTest, RunOfATransformerTakesWhatWasMeasured) {
  ExpectRunTakesThat(
      {"backbone.arch=vit", "backbone.last_stage=4", "backbone.transformer.patch=8",
       "backbone.transformer.width=128", "backbone.transformer.depth=4",
       "backbone.transformer.heads=2", "backbone.transformer.mlp_width=512",
       "backbone.transformer.position_side=4", "backbone.transformer.class_token=true",
       "backbone.transformer.activation=gelu", "backbone.transformer.norm_epsilon=1e-6",
       "backbone.transformer.position_resampling=antialiased", "embedding.pooling=summary"});
}

TEST_F(TrainingMemoryTest, BatchGrowsWithItsImages) {
  const TrainingMemory small = Measure(Large("step2.batch_size=8")),
                       large = Measure(Large("step2.batch_size=16"));
  EXPECT_NEAR(static_cast<double>(large.batch_bytes) / static_cast<double>(small.batch_bytes),
              static_cast<double>(large.batch_images) / small.batch_images, 0.2);
}

TEST_F(TrainingMemoryTest, BatchHasNoMoreImagesThanThereAre) {
  EXPECT_EQ(Measure({"step1.batch_size=1000", "step2.batch_size=1000"}).batch_images,
            Measure({"step1.batch_size=2000", "step2.batch_size=2000"}).batch_images);
}

TEST_F(TrainingMemoryTest, RanksShareTheBatchAndNotTheNetworks) {
  const TrainingMemory alone = Measure(Large("step1.epochs=0")),
                       of_two = Measure(Large("step1.epochs=0"), /*ranks=*/2);
  EXPECT_NEAR(static_cast<double>(of_two.networks_bytes), static_cast<double>(alone.networks_bytes),
              1e5);
  EXPECT_EQ(of_two.batch_images, alone.batch_images / 2);
  EXPECT_LT(of_two.batch_bytes, alone.batch_bytes);
}

TEST_F(TrainingMemoryTest, LayersThatAreFrozenKeepNothing) {
  EXPECT_LT(Measure(Large("backbone.frozen_stages=2")).batch_bytes, Measure(Large()).batch_bytes);
}

}  // namespace
}  // namespace s2p::test
