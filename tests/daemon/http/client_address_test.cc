#include "daemon/http/client_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

TEST(AddressGroupTest, Ipv4AddressIsAloneAlsoWhenWrittenAsIpv6) {
  EXPECT_EQ(AddressGroup("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(AddressGroup("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_NE(AddressGroup("192.0.2.7"), AddressGroup("192.0.2.8"));
}

TEST(AddressGroupTest, Ipv6AddressesOfOneSiteAreTogether) {
  EXPECT_EQ(AddressGroup("2001:db8:1:2::7"), "2001:db8:1:2::/64");
  EXPECT_EQ(AddressGroup("2001:db8:1:2:ffff::"), "2001:db8:1:2::/64");
  EXPECT_NE(AddressGroup("2001:db8:1:3::7"), AddressGroup("2001:db8:1:2::7"));
}

TEST(AddressSetTest, HoldsAddressesAndNetworks) {
  const auto set = AddressSet::Parse({"192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::1"});
  ASSERT_THAT(set, IsOk());
  for (const char* in : {"192.0.2.7", "10.255.0.1", "::ffff:10.0.0.1", "2001:db8:ff::1", "::1"}) {
    EXPECT_TRUE(set->Contains(in)) << in;
  }
  for (const char* out : {"192.0.2.8", "11.0.0.0", "2001:db9::", "::2", "", "10.0.0", "a"}) {
    EXPECT_FALSE(set->Contains(out)) << out;
  }
}

TEST(AddressSetTest, HostBitsOfANetworkDoNotMatter) {
  const auto set = AddressSet::Parse({"10.1.2.3/8"});
  ASSERT_THAT(set, IsOk());
  EXPECT_TRUE(set->Contains("10.9.9.9"));
}

TEST(AddressSetTest, WrongTextIsQuoted) {
  for (const char* text : {"", "proxy.example", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
                           "2001:db8::/129", "10.0.0.0/8/8"}) {
    EXPECT_THAT(AddressSet::Parse({text}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'" + std::string(text))))
        << text;
    EXPECT_FALSE(CheckNetwork(text).ok());
  }
}

}  // namespace
}  // namespace s2p
