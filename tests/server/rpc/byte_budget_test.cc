#include "server/rpc/byte_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace s2p::test {
namespace {

class ByteBudgetTest : public testing::Test {
 protected:
  // A stream that wants to read.
  void Ask(const std::string& stream, const std::string& caller = "a key") {
    budget_.WhenRoom(caller, [this, stream] { ready_ += stream; });
  }
  ByteBudget budget_{100};
  // The streams that may read, in this order.
  std::string ready_;
};

TEST_F(ByteBudgetTest, StreamReadsWhileLessThanTheBudgetIsTaken) {
  const ByteBudget::Share share = budget_.Take("a key", 99);
  Ask("a");
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, StreamsWaitForRoomInTheOrderOfTheirAsking) {
  ByteBudget::Share large = budget_.Take("a key", 150);
  Ask("a");
  Ask("b");
  EXPECT_EQ(ready_, "");
  large.Release();
  EXPECT_EQ(ready_, "ab");
}

TEST_F(ByteBudgetTest, RoomThatIsTooSmallWakesNobody) {
  ByteBudget::Share large = budget_.Take("a key", 150), small = budget_.Take("a key", 50);
  Ask("a");
  small.Release();
  EXPECT_EQ(ready_, "");
  large.Release();
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, ShareIsGivenBackOnce) {
  ByteBudget::Share share = budget_.Take("a key", 100);
  ByteBudget::Share moved = std::move(share);
  share.Release();
  Ask("a");
  EXPECT_EQ(ready_, "");
  moved.Release();
  moved.Release();
  EXPECT_EQ(ready_, "a");
  const ByteBudget::Share next = budget_.Take("a key", 100);
  Ask("b");
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, WokenStreamMayTakeAndAskAgain) {
  ByteBudget::Share first = budget_.Take("a key", 100), second;
  budget_.WhenRoom("a key", [&] {
    second = budget_.Take("a key", 100);
    Ask("a");
  });
  first.Release();
  EXPECT_EQ(ready_, "");
  second.Release();
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, CallerThatFillsTheBudgetDoesNotKeepOthersFromReading) {
  ByteBudget::Share large = budget_.Take("a key", 150);
  Ask("a");
  Ask("b", "another");
  EXPECT_EQ(ready_, "b");
  // Half of the budget is the share of each.
  const ByteBudget::Share half = budget_.Take("another", 50);
  Ask("c", "another");
  EXPECT_EQ(ready_, "b");
  large.Release();
  EXPECT_THAT(ready_, testing::AnyOf("bac", "bca"));
}

TEST_F(ByteBudgetTest, CallerThatHoldsNothingHasOneReaderWhateverTheOthersHold) {
  const ByteBudget::Share one = budget_.Take("a key", 500);
  Ask("a", "another");
  Ask("b", "another");
  EXPECT_EQ(ready_, "a");
  ByteBudget::Share taken = budget_.Take("another", 10);
  EXPECT_EQ(ready_, "a");
  taken.Release();
  EXPECT_EQ(ready_, "ab");
}

TEST_F(ByteBudgetTest, ReaderThatEndsWithoutAMessageLeavesItsTurnToTheNext) {
  const ByteBudget::Share one = budget_.Take("a key", 500);
  Ask("a", "another");
  Ask("b", "another");
  const ByteBudget::Share nothing = budget_.Take("another", 0);
  EXPECT_EQ(ready_, "ab");
}

TEST_F(ByteBudgetTest, ReleaseWakesOneStreamOfALine) {
  ByteBudget::Share kept = budget_.Take("a key", 50), freed = budget_.Take("a key", 50);
  Ask("a");
  Ask("b");
  Ask("c");
  freed.Release();
  EXPECT_EQ(ready_, "a");
  // The first has read little enough to leave room.
  const ByteBudget::Share small = budget_.Take("a key", 10);
  EXPECT_EQ(ready_, "ab");
  const ByteBudget::Share large = budget_.Take("a key", 90);
  EXPECT_EQ(ready_, "ab");
}

TEST_F(ByteBudgetTest, StreamThatSendsNothingDoesNotKeepTheLineWaitingForEver) {
  ByteBudget::Share kept = budget_.Take("a key", 50), freed = budget_.Take("a key", 50);
  Ask("a");
  Ask("b");
  Ask("c");
  freed.Release();
  EXPECT_EQ(ready_, "a");
  kept.Release();
  EXPECT_EQ(ready_, "abc");
}

}  // namespace
}  // namespace s2p::test
