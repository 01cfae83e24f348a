#include "server/rpc/byte_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/rpc/call_places.h"

namespace s2p::test {
namespace {

class ByteBudgetTest : public testing::Test {
 protected:
  // A stream that wants to read.
  void Ask(const std::string& stream) {
    budget_.WhenRoom([this, stream] { ready_ += stream; });
  }
  ByteBudget budget_{100};
  // The streams that may read, in this order.
  std::string ready_;
};

TEST_F(ByteBudgetTest, StreamReadsWhileLessThanTheBudgetIsTaken) {
  const ByteBudget::Share share = budget_.Take(99);
  Ask("a");
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, StreamsWaitForRoomInTheOrderOfTheirAsking) {
  ByteBudget::Share large = budget_.Take(150);
  Ask("a");
  Ask("b");
  EXPECT_EQ(ready_, "");
  large.Release();
  EXPECT_EQ(ready_, "ab");
}

TEST_F(ByteBudgetTest, RoomThatIsTooSmallWakesNobody) {
  ByteBudget::Share large = budget_.Take(150), small = budget_.Take(50);
  Ask("a");
  small.Release();
  EXPECT_EQ(ready_, "");
  large.Release();
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, ShareIsGivenBackOnce) {
  ByteBudget::Share share = budget_.Take(100);
  ByteBudget::Share moved = std::move(share);
  share.Release();
  Ask("a");
  EXPECT_EQ(ready_, "");
  moved.Release();
  moved.Release();
  EXPECT_EQ(ready_, "a");
  const ByteBudget::Share next = budget_.Take(100);
  Ask("b");
  EXPECT_EQ(ready_, "a");
}

TEST_F(ByteBudgetTest, WokenStreamMayTakeAndAskAgain) {
  ByteBudget::Share first = budget_.Take(100), second;
  budget_.WhenRoom([&] {
    second = budget_.Take(100);
    Ask("a");
  });
  first.Release();
  EXPECT_EQ(ready_, "");
  second.Release();
  EXPECT_EQ(ready_, "a");
}

TEST(CallPlacesTest, CallBeyondTheLastPlaceGetsNone) {
  CallPlaces places(1);
  CallPlaces::Place first = places.Take();
  EXPECT_TRUE(first);
  EXPECT_FALSE(places.Take());
  CallPlaces::Place moved = std::move(first);
  EXPECT_FALSE(places.Take());
  moved.Release();
  EXPECT_TRUE(places.Take());
}

}  // namespace
}  // namespace s2p::test
