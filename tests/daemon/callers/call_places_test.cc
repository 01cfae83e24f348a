#include "daemon/callers/call_places.h"

#include <gtest/gtest.h>

#include <utility>

namespace s2p {
namespace {

TEST(CallPlacesTest, CallerThatTakesAllLeavesOthersTheirShare) {
  CallPlaces places(2);
  const CallPlaces::Place first = places.Take("a key"), second = places.Take("a key");
  EXPECT_FALSE(places.Take("a key"));
  CallPlaces::Place other = places.Take("another");
  EXPECT_TRUE(other);
  EXPECT_FALSE(places.Take("another"));
}

TEST(CallPlacesTest, CallBeyondTheLastPlaceGetsNone) {
  CallPlaces places(1);
  CallPlaces::Place first = places.Take("a key");
  EXPECT_TRUE(first);
  EXPECT_FALSE(places.Take("a key"));
  CallPlaces::Place moved = std::move(first);
  EXPECT_FALSE(places.Take("a key"));
  moved.Release();
  EXPECT_TRUE(places.Take("a key"));
}

}  // namespace
}  // namespace s2p
