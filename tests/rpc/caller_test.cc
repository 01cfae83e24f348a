#include "rpc/caller.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

TEST(CallerTest, PortIsNoPartOfAnAddress) {
  EXPECT_EQ(AddressOf("ipv4:10.1.2.3:4711"), "10.1.2.3");
}

TEST(CallerTest, NeighboursInOneIpv6NetworkShareAnAddress) {
  EXPECT_EQ(AddressOf("ipv6:%5B2001:db8:0:1::7%5D:4711"), "2001:db8:0:1::/64");
  EXPECT_EQ(AddressOf("ipv6:[2001:db8:0:1:a:b:c:d]:1"), "2001:db8:0:1::/64");
  EXPECT_EQ(AddressOf("ipv6:[2001:db8:0:2::7]:1"), "2001:db8:0:2::/64");
}

TEST(CallerTest, ZoneIsNoPartOfAnAddress) {
  EXPECT_EQ(AddressOf("ipv6:%5Bfe80::1%25eth0%5D:1"), "fe80::/64");
}

TEST(CallerTest, Ipv4ThroughAnIpv6SocketIsIpv4) {
  EXPECT_EQ(AddressOf("ipv6:[::ffff:10.1.2.3]:4711"), "10.1.2.3");
}

TEST(CallerTest, UnknownPeerIsKeptWhole) {
  EXPECT_EQ(AddressOf("vsock:3:7"), "vsock:3:7");
  EXPECT_EQ(AddressOf(""), "");
}

TEST(CallerTest, ThisMachineIsLoopback) {
  EXPECT_TRUE(IsLoopback(AddressOf("ipv4:127.0.0.1:1")));
  EXPECT_TRUE(IsLoopback(AddressOf("ipv6:%5B::1%5D:1")));
  EXPECT_TRUE(IsLoopback(AddressOf("ipv6:[::ffff:127.0.0.1]:1")));
  EXPECT_TRUE(IsLoopback(AddressOf("unix:/run/s2p")));
  EXPECT_FALSE(IsLoopback(AddressOf("ipv4:10.127.0.1:1")));
  EXPECT_FALSE(IsLoopback(AddressOf("")));
}

TEST(CallerTest, CallersWithOneKeyShareAPlaceInLine) {
  EXPECT_EQ((Caller{"web", "10.0.0.1"}).queue(), (Caller{"web", "10.0.0.2"}).queue());
  EXPECT_NE((Caller{kAnonymous, "10.0.0.1"}).queue(), (Caller{kAnonymous, "10.0.0.2"}).queue());
}

}  // namespace
}  // namespace s2p
