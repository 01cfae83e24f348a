#include "server/versions/embedding_pace.h"

#include <gtest/gtest.h>

namespace s2p::test {
namespace {

TEST(EmbeddingPaceTest, WhileSearchesWaitTheRestOfTheTimeIsTheirs) {
  const auto busy = [] { return true; };
  EXPECT_EQ(EmbeddingPace(0.25, busy).PauseAfter(absl::Seconds(1)), absl::Seconds(3));
  EXPECT_EQ(EmbeddingPace(0.5, busy).PauseAfter(absl::Seconds(2)), absl::Seconds(2));
}

TEST(EmbeddingPaceTest, WholeShareNeverPauses) {
  EXPECT_EQ(EmbeddingPace(1, [] { return true; }).PauseAfter(absl::Seconds(1)),
            absl::ZeroDuration());
}

TEST(EmbeddingPaceTest, WithoutSearchesThereIsNoPause) {
  EXPECT_EQ(EmbeddingPace(0.05, [] { return false; }).PauseAfter(absl::Seconds(1)),
            absl::ZeroDuration());
  EXPECT_EQ(EmbeddingPace(0.05, {}).PauseAfter(absl::Seconds(1)), absl::ZeroDuration());
}

}  // namespace
}  // namespace s2p::test
