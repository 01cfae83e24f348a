#include "daemon/callers/fair_places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace s2p::test {
namespace {

class FairPlacesTest : public testing::Test {
 protected:
  // The places that a caller gets, one after the other, until it is refused.
  int TakeAll(const std::string& caller) {
    int places = 0;
    for (; places_.HasRoom(caller); ++places) places_.Take(caller);
    return places;
  }
  FairPlaces places_{8};
};

TEST_F(FairPlacesTest, SingleCallerMayHaveAll) {
  EXPECT_EQ(TakeAll("a"), 8);
  EXPECT_EQ(places_.taken(), 8);
}

TEST_F(FairPlacesTest, CallerThatHoldsAllLeavesOthersTheirShares) {
  TakeAll("a");
  EXPECT_EQ(TakeAll("b"), 4);
  EXPECT_EQ(TakeAll("c"), 2);
  EXPECT_EQ(TakeAll("a"), 0);
}

TEST_F(FairPlacesTest, CallersTogetherHaveAtMostTwiceThePlaces) {
  for (int caller = 0; caller < 100; ++caller) TakeAll(std::to_string(caller));
  EXPECT_EQ(places_.taken(), 16);
}

TEST_F(FairPlacesTest, PlacesThatAreGivenBackAreFree) {
  TakeAll("a");
  places_.Give("a", 3);
  EXPECT_EQ(TakeAll("b"), 4);
  places_.Give("a", 5);
  places_.Give("b", 4);
  EXPECT_EQ(places_.taken(), 0);
  EXPECT_EQ(TakeAll("c"), 8);
}

TEST_F(FairPlacesTest, MoreThanTheShareAtOnceIsRefused) {
  places_.Take("a", 8);
  EXPECT_FALSE(places_.HasRoom("b", 5));
  EXPECT_TRUE(places_.HasRoom("b", 4));
}

TEST_F(FairPlacesTest, NothingIsTakenAndGivenBackAnyNumberOfTimes) {
  places_.Take("a", 0);
  places_.Take("a", 0);
  places_.Give("a", 0);
  places_.Give("a", 0);
  EXPECT_EQ(TakeAll("b"), 8);
}

TEST_F(FairPlacesTest, MoreThanAllMayBeTaken) {
  places_.Take("a", 1000);
  EXPECT_FALSE(places_.HasRoom("a"));
  EXPECT_FALSE(places_.HasRoom("b"));
  places_.Give("a", 990);
  EXPECT_TRUE(places_.HasRoom("b", 4));
}

}  // namespace
}  // namespace s2p::test
