#include "client/web/trusted_proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s2p {
namespace {

class TrustedProxyTest : public testing::Test {
 protected:
  HttpRequest From(const std::string& address, HttpFields headers) {
    HttpRequest request;
    request.remote_address = address;
    request.headers = std::move(headers);
    return request;
  }
  std::string User(const std::string& address, HttpFields headers) {
    return proxy_.UserOf(From(address, std::move(headers)));
  }
  std::string Client(const std::string& address, HttpFields headers) {
    return proxy_.ClientOf(From(address, std::move(headers)));
  }

  const TrustedProxy proxy_{AddressSet::Parse({"10.0.0.0/8"}).value(), "X-Forwarded-User"};
};

TEST_F(TrustedProxyTest, NameIsBelievedFromAProxyOnly) {
  EXPECT_EQ(User("10.1.2.3", {{"x-forwarded-user", " ada "}}), "ada");
  EXPECT_EQ(User("192.0.2.7", {{"X-Forwarded-User", "ada"}}), "");
  EXPECT_EQ(User("10.1.2.3", {}), "");
  EXPECT_EQ(User("10.1.2.3", {{"X-Forwarded-User", ""}}), "");
}

TEST_F(TrustedProxyTest, NameThatSomebodyPutBesideTheProxysIsNotBelieved) {
  EXPECT_EQ(User("10.1.2.3", {{"X-Forwarded-User", "eve"}, {"x-forwarded-user", "ada"}}), "");
}

TEST_F(TrustedProxyTest, ClaimedProxyIsNoProxy) {
  EXPECT_EQ(User("192.0.2.7", {{"X-Forwarded-For", "10.1.2.3"}, {"X-Forwarded-User", "eve"}}), "");
}

TEST_F(TrustedProxyTest, ClientIsTheLastAddressThatIsNoProxys) {
  EXPECT_EQ(Client("10.1.2.3", {{"X-Forwarded-For", "198.51.100.1, 192.0.2.7"}}), "192.0.2.7");
  EXPECT_EQ(Client("10.1.2.3", {{"X-Forwarded-For", "192.0.2.7, 10.9.9.9"}}), "192.0.2.7");
  EXPECT_EQ(
      Client("10.1.2.3", {{"X-Forwarded-For", "198.51.100.1"}, {"X-Forwarded-For", "192.0.2.7"}}),
      "192.0.2.7");
  EXPECT_EQ(Client("10.1.2.3", {}), "10.1.2.3");
}

TEST_F(TrustedProxyTest, AddressThatTheClientClaimsIsNotBelieved) {
  EXPECT_EQ(Client("192.0.2.7", {{"X-Forwarded-For", "198.51.100.1"}}), "192.0.2.7");
}

TEST_F(TrustedProxyTest, TextThatIsNoAddressIsIgnored) {
  EXPECT_EQ(Client("10.1.2.3", {{"X-Forwarded-For", "192.0.2.7, unknown"}}), "10.1.2.3");
}

TEST_F(TrustedProxyTest, WithoutALoginHeaderNobodyIsNamed) {
  const TrustedProxy proxy(AddressSet::Parse({"10.0.0.0/8"}).value(), "");
  EXPECT_FALSE(proxy.logs_in());
  EXPECT_EQ(proxy.UserOf(From("10.1.2.3", {{"", "ada"}})), "");
}

}  // namespace
}  // namespace s2p
