#include "trainer/program/publisher.h"

#include <gmock/gmock.h>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class PublisherTest : public TinyRunTest {
 protected:
  // An untrained model with its real evaluation, whose validation rank-1 is set to `rank1`.
  TrainedModel Model(const v1::TrainingSpec& spec, double rank1) {
    auto trainer = *Create(spec);
    auto evaluations = *trainer->EvaluateAll();
    EXPECT_EQ(evaluations[0].split(), "train-validation");
    evaluations[0].set_rank1(rank1);
    return *trainer->Model(evaluations, "job");
  }
  absl::StatusOr<PublishOutcome> Publish(const std::vector<std::string>& fields, double rank1) {
    const v1::TrainingSpec spec = With(Spec(), fields);
    return PublishModel(*ResolveSpec(spec), Model(spec, rank1), store_);
  }

  const CheckpointStore store_{dir_.File("store")};
};

TEST_F(PublisherTest, NeverPublishesNothing) {
  const auto outcome = Publish({"publish.policy=never"}, 1);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->version, 0);
  EXPECT_FALSE(store_.Versions().ok());
}

TEST_F(PublisherTest, AlwaysPublishesEachTime) {
  EXPECT_EQ(Publish({}, 0)->version, 1);
  EXPECT_EQ(Publish({}, 0)->version, 2);
}

TEST_F(PublisherTest, FirstIsBetterThanNothing) {
  const auto outcome = Publish({"publish.policy=if_better"}, 0);
  ASSERT_THAT(outcome, IsOk());
  EXPECT_EQ(outcome->version, 1);
}

TEST_F(PublisherTest, OnlyABetterOneFollows) {
  ASSERT_EQ(Publish({}, 0)->version, 1);
  const auto worse = Publish({"publish.policy=if_better"}, 0);
  ASSERT_THAT(worse, IsOk());
  EXPECT_EQ(worse->version, 0);
  EXPECT_THAT(worse->reason, HasSubstr("rank1"));
  EXPECT_EQ(Publish({"publish.policy=if_better"}, 1)->version, 2);
}

TEST_F(PublisherTest, ImprovementBelowTheLeastIsNotEnough) {
  ASSERT_EQ(Publish({}, 0)->version, 1);
  // The published one's rank-1 is at most 1.
  EXPECT_EQ(Publish({"publish.policy=if_better", "publish.min_improvement=1"}, 1.0)->version, 0);
}

TEST_F(PublisherTest, WithoutValidationThereIsNothingToCompareOn) {
  const v1::TrainingSpec spec = With(Spec(), {"publish.policy=if_better", "validation.fraction=0"});
  auto trainer = *Create(spec);
  const auto outcome = PublishModel(*ResolveSpec(spec), *trainer->Model({}, "job"), store_);
  EXPECT_THAT(outcome,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("validation.fraction")));
}

}  // namespace
}  // namespace s2p::test
