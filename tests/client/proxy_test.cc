#include "client/connection/proxy.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

namespace s2p {
namespace {

class ProxyTest : public testing::Test {
 protected:
  ProxyTest() { Clear(); }
  ~ProxyTest() override { Clear(); }
  void Set(const char* name, const char* value) { setenv(name, value, 1); }
  std::string AddressTo(const std::string& host) const {
    const auto proxy = ProxyTo(host);
    return proxy ? proxy->variable + "=" + proxy->address : "";
  }

 private:
  static void Clear() {
    for (const char* name :
         {"grpc_proxy", "https_proxy", "http_proxy", "no_grpc_proxy", "no_proxy", "NO_PROXY"}) {
      unsetenv(name);
    }
  }
};

TEST_F(ProxyTest, WithoutVariablesThereIsNone) { EXPECT_EQ(AddressTo("example.org"), ""); }

TEST_F(ProxyTest, FirstVariableThatIsSetNamesIt) {
  Set("http_proxy", "http://a:1");
  EXPECT_EQ(AddressTo("example.org"), "http_proxy=http://a:1");
  Set("https_proxy", "http://b:1");
  EXPECT_EQ(AddressTo("example.org"), "https_proxy=http://b:1");
  Set("grpc_proxy", "");
  EXPECT_EQ(AddressTo("example.org"), "");
}

TEST_F(ProxyTest, UserAndPasswordAreNotShown) {
  Set("http_proxy", "http://me:p@ss@proxy.example:3128/");
  EXPECT_EQ(AddressTo("example.org"), "http_proxy=http://proxy.example:3128/");
}

TEST_F(ProxyTest, ProxyThatGrpcCannotUseIsIgnored) {
  Set("http_proxy", "proxy.example:3128");
  EXPECT_EQ(AddressTo("example.org"), "");
}

TEST_F(ProxyTest, ThisMachineIsReachedDirectly) {
  Set("http_proxy", "http://a:1");
  char name[256] = "";
  ASSERT_EQ(gethostname(name, sizeof(name) - 1), 0);
  EXPECT_EQ(AddressTo(name), "");
  for (const char* host : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0",
                           "::", "localhost", "LOCALHOST.", "s2p.localhost", ""}) {
    EXPECT_EQ(AddressTo(host), "") << host;
  }
  EXPECT_NE(AddressTo("localhost.example.org"), "");
  EXPECT_NE(AddressTo("127.example.org"), "");
}

TEST_F(ProxyTest, EachListOfExceptionsIsHonoured) {
  for (const char* list : {"no_grpc_proxy", "no_proxy", "NO_PROXY"}) {
    Set("http_proxy", "http://a:1");
    EXPECT_NE(AddressTo("example.org"), "");
    Set(list, "other,example.org");
    EXPECT_EQ(AddressTo("example.org"), "") << list;
    unsetenv(list);
  }
}

struct Case {
  const char* list;
  const char* host;
  bool is_covered;
};

class NoProxyTest : public testing::TestWithParam<Case> {};

TEST_P(NoProxyTest, CoversTheListedHosts) {
  EXPECT_EQ(IsCoveredBy(GetParam().list, GetParam().host), GetParam().is_covered)
      << GetParam().list << " and " << GetParam().host;
}

INSTANTIATE_TEST_SUITE_P(
    Names, NoProxyTest,
    testing::Values(
        Case{"", "example.org", false}, Case{"*", "example.org", true}, Case{"*", "10.0.0.1", true},
        Case{"example.org", "example.org", true}, Case{"EXAMPLE.org.", "example.ORG", true},
        Case{"example.org", "a.example.org", true}, Case{"example.org", "anexample.org", false},
        Case{".example.org", "a.example.org", true}, Case{".example.org", "example.org", true},
        Case{"*.example.org", "a.example.org", true}, Case{"a.example.org", "example.org", false},
        Case{"x , example.org\r", "example.org", true},
        Case{"example.org:8080", "example.org", true}, Case{".", "a", false}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, NoProxyTest,
    testing::Values(Case{"10.0.0.1", "10.0.0.1", true}, Case{"10.0.0.1", "10.0.0.11", false},
                    Case{"0.0.1", "10.0.0.1", false}, Case{"10.0.0.0/8", "10.200.3.4", true},
                    Case{"10.0.0.0/8", "11.0.0.1", false},
                    Case{"192.168.128.0/17", "192.168.127.1", false},
                    Case{"192.168.128.0/17", "192.168.129.1", true},
                    Case{"0.0.0.0/0", "8.8.8.8", true}, Case{"0.0.0.0/0", "fd00::1", false},
                    Case{"10.0.0.0/33", "10.0.0.1", false}, Case{"10.0.0.0/-1", "10.0.0.1", false},
                    Case{"10.0.0.0/x", "10.0.0.1", false}, Case{"10.0.0.0/8", "ten.example", false},
                    Case{"fd00::/8", "fd12::1", true}, Case{"fd00::/8", "fe12::1", false},
                    Case{"[fd00::1]", "fd00::1", true}, Case{"[fd00::1]:80", "fd00:0::1", true},
                    Case{"10.0.0.0/8", "::ffff:10.0.0.1", true}));

}  // namespace
}  // namespace s2p
