#include "daemon/http/http_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace s2p {
namespace {

HttpRequest WithTarget(absl::string_view target) {
  HttpRequest request;
  request.SetTarget(target);
  return request;
}

TEST(HttpRequestTest, TargetIsSplitAndDecoded) {
  const HttpRequest request = WithTarget("/a%20b+c?x=1%2B1&y=a+b&x=2&z&=v#part");
  EXPECT_EQ(request.path, "/a b+c");
  EXPECT_EQ(request.Parameter("x"), "1+1");
  EXPECT_EQ(request.Parameter("y"), "a b");
  EXPECT_EQ(request.Parameter("z"), "");
  EXPECT_EQ(request.parameters.size(), 5u);
  EXPECT_EQ(request.Parameter("missing"), "");
}

TEST(HttpRequestTest, DamagedEscapeStandsForItself) {
  for (const char* text : {"%", "%4", "%zz", "%4g", "50%"}) {
    EXPECT_EQ(WithTarget(std::string("/?x=") + text).Parameter("x"), text);
  }
}

TEST(HttpRequestTest, HeaderIsFoundInAnyCase) {
  HttpRequest request;
  request.headers = {{"Content-Type", "a"}, {"x", "1"}, {"X", "2"}};
  EXPECT_EQ(request.Header("content-type"), "a");
  EXPECT_EQ(request.Header("X"), "1");
  EXPECT_EQ(request.CountHeaders("x"), 2u);
  EXPECT_FALSE(request.HasHeader("y"));
}

TEST(HttpResponseTest, SetHeaderReplacesInAnyCase) {
  HttpResponse response;
  response.AddHeader("cache-control", "a");
  response.SetHeader("Cache-Control", "b");
  EXPECT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.Header("CACHE-CONTROL"), "b");
}

}  // namespace
}  // namespace s2p
