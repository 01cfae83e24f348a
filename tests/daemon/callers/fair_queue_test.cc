#include "daemon/callers/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class FairQueueTest : public testing::Test {
 protected:
  void Push(const std::string& caller, int count) {
    for (int i = 1; i <= count; ++i) queue_.Push(caller, absl::StrCat(caller, i));
  }
  std::vector<std::string> PopAll() {
    std::vector<std::string> items;
    while (!queue_.empty()) items.push_back(queue_.Pop());
    return items;
  }
  FairQueue<std::string> queue_{6};
};

TEST_F(FairQueueTest, OneCallerIsServedInOrder) {
  Push("a", 3);
  EXPECT_EQ(queue_.taken(), 3);
  EXPECT_THAT(PopAll(), ElementsAre("a1", "a2", "a3"));
  EXPECT_EQ(queue_.taken(), 0);
}

TEST_F(FairQueueTest, LateCallerIsServedBeforeABacklogEnds) {
  Push("a", 5);
  EXPECT_EQ(queue_.Pop(), "a1");
  Push("b", 1);
  EXPECT_THAT(PopAll(), ElementsAre("a2", "b1", "a3", "a4", "a5"));
}

TEST_F(FairQueueTest, CallersTakeTurns) {
  Push("a", 3);
  Push("b", 2);
  Push("c", 1);
  EXPECT_THAT(PopAll(), ElementsAre("a1", "b1", "c1", "a2", "b2", "a3"));
}

TEST_F(FairQueueTest, CallerThatLeavesAndComesBackIsLast) {
  Push("a", 1);
  Push("b", 2);
  EXPECT_EQ(queue_.Pop(), "a1");
  Push("a", 1);
  EXPECT_THAT(PopAll(), ElementsAre("b1", "a1", "b2"));
}

TEST_F(FairQueueTest, OneCallerMayTakeAllPlacesAndNoMore) {
  Push("a", 5);
  EXPECT_TRUE(queue_.HasRoom("a"));
  EXPECT_FALSE(queue_.HasRoom("a", 2));
  Push("a", 1);
  EXPECT_FALSE(queue_.HasRoom("a"));
}

TEST_F(FairQueueTest, FullQueueHasRoomForTheShareOfAnother) {
  Push("a", 6);
  EXPECT_TRUE(queue_.HasRoom("b", 3));
  EXPECT_FALSE(queue_.HasRoom("b", 4));
  Push("b", 3);
  EXPECT_FALSE(queue_.HasRoom("b"));
  EXPECT_TRUE(queue_.HasRoom("c", 2));
}

TEST_F(FairQueueTest, ManyCallersTakeTwiceThePlacesAtMost) {
  Push("a", 6);
  int admitted = 0;
  for (int i = 0; i < 100; ++i) {
    const std::string caller = absl::StrCat("caller ", i);
    if (!queue_.HasRoom(caller)) continue;
    queue_.Push(caller, "x");
    ++admitted;
  }
  EXPECT_EQ(admitted, 6);
}

TEST_F(FairQueueTest, ItemsTakeTheirPlaces) {
  queue_.Push("a", "large", 4);
  EXPECT_EQ(queue_.NextPlaces(), 4);
  EXPECT_FALSE(queue_.HasRoom("a", 3));
  EXPECT_EQ(queue_.Pop(), "large");
  EXPECT_TRUE(queue_.HasRoom("a", 6));
}

TEST_F(FairQueueTest, CallerThatMayNotIsPassedOverAndKeepsItsTurn) {
  Push("a", 2);
  Push("b", 2);
  const auto may = [](const std::string& caller) { return caller != "a"; };
  EXPECT_TRUE(queue_.HasTurn(may));
  EXPECT_EQ(queue_.PopIf(may), "b1");
  EXPECT_EQ(queue_.taken(), 3);
  EXPECT_THAT(PopAll(), ElementsAre("a1", "b2", "a2"));
}

TEST_F(FairQueueTest, NothingIsPoppedOfCallersThatMayNot) {
  Push("a", 1);
  const auto none = [](const std::string&) { return false; };
  EXPECT_FALSE(queue_.HasTurn(none));
  EXPECT_FALSE(queue_.PopIf(none).has_value());
  EXPECT_THAT(PopAll(), ElementsAre("a1"));
}

TEST_F(FairQueueTest, OldestOfEachCallerIsVisited) {
  Push("a", 2);
  Push("b", 2);
  std::vector<std::string> oldest;
  queue_.VisitOldest([&](const std::string& item) { oldest.push_back(item); });
  EXPECT_THAT(oldest, UnorderedElementsAre("a1", "b1"));
}

}  // namespace
}  // namespace s2p
