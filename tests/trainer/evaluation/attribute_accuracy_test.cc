#include "trainer/evaluation/attribute_accuracy.h"

#include <gtest/gtest.h>

#include <cmath>

namespace s2p::test {
namespace {

TEST(AttributeAccuracyTest, PredictionThatIsNotANumberIsNeverRight) {
  EmbeddingMatrix probabilities(4, 1);
  const float nan = std::nanf("");
  const float predicted[] = {nan, 0.4F, nan, 0.6F};
  for (int row = 0; row < 4; ++row) probabilities.row(row)[0] = predicted[row];
  const auto boots = AttributeAccuracies(probabilities, {0, 0, 1, 1}, {"boots"})[0];
  EXPECT_EQ(boots.known, 4);
  EXPECT_DOUBLE_EQ(boots.accuracy, 0.5);
  EXPECT_DOUBLE_EQ(boots.balanced_accuracy, 0.5);
}

}  // namespace
}  // namespace s2p::test
