#include "trainer/program/reference_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

// `lost` of `count` queries were found by the published model alone.
std::vector<PairedValue> Lost(int lost, int count) {
  std::vector<PairedValue> values;
  for (int i = 0; i < count; ++i) values.push_back({1, i < lost ? 0.0 : 1.0, absl::StrCat(i)});
  return values;
}

v1::TrainingSpec::PublishSpec Publish(double tolerance, double confidence) {
  v1::TrainingSpec::PublishSpec publish;
  publish.set_metric("rank1");
  publish.set_reference_tolerance(tolerance);
  publish.set_reference_confidence(confidence);
  return publish;
}

TEST(JudgeOnReferenceTest, EqualIsNotWorse) {
  const ReferenceVerdict verdict = JudgeOnReference(Lost(0, 5), Publish(0, 0.99), 7);
  EXPECT_FALSE(verdict.is_worse);
  EXPECT_EQ(verdict.text,
            "on the reference set rank1 1.0000 against 1.0000 of version 7 on 5 queries, at most 0 "
            "lower in 100.0 % of the resamplings (publish.reference_confidence asks for 99 %)");
}

TEST(JudgeOnReferenceTest, LossBeyondTheToleranceIsWorseEvenByTheMeansAlone) {
  EXPECT_TRUE(JudgeOnReference(Lost(3, 50), Publish(0.05, 0), 1).is_worse);
  EXPECT_FALSE(JudgeOnReference(Lost(2, 50), Publish(0.05, 0), 1).is_worse);
}

TEST(JudgeOnReferenceTest, LossThatMayBeBeyondTheToleranceIsWorseWhereConfidenceIsAskedFor) {
  EXPECT_FALSE(JudgeOnReference(Lost(2, 50), Publish(0.05, 0.5), 1).is_worse);
  EXPECT_TRUE(JudgeOnReference(Lost(2, 50), Publish(0.05, 0.9), 1).is_worse);
}

TEST(JudgeOnReferenceTest, WithoutFieldsTwoPointsMayBeLostWithFourFifthsConfidence) {
  v1::TrainingSpec::PublishSpec publish;
  publish.set_metric("rank1");
  EXPECT_THAT(JudgeOnReference(Lost(0, 3), publish, 1).text,
              testing::AllOf(HasSubstr("at most 0.02 lower"), HasSubstr("asks for 80 %")));
  EXPECT_TRUE(JudgeOnReference(Lost(1, 49), publish, 1).is_worse);
}

}  // namespace
}  // namespace s2p::test
