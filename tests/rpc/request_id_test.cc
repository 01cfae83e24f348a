#include "rpc/request_id.h"

#include <gtest/gtest.h>

#include <set>

namespace s2p {
namespace {

TEST(RequestIdTest, VisibleAsciiUpTo128BytesIsKept) {
  for (const std::string& id :
       {std::string("a"), std::string("7f3c-21/x~!"), std::string(128, 'x')}) {
    EXPECT_EQ(RequestIdOr(id), id);
  }
}

TEST(RequestIdTest, WhatCouldBreakALogLineIsReplaced) {
  for (const std::string& id :
       {std::string(), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\x7f"), std::string("\xc3\xa9"), std::string(129, 'x')}) {
    const std::string made = RequestIdOr(id);
    EXPECT_NE(made, id);
    EXPECT_TRUE(IsRequestId(made)) << made;
    EXPECT_EQ(made.size(), 32u);
  }
}

TEST(RequestIdTest, MadeIdsDiffer) {
  std::set<std::string> made;
  for (int i = 0; i < 1000; ++i) made.insert(RequestIdOr(""));
  EXPECT_EQ(made.size(), 1000u);
}

}  // namespace
}  // namespace s2p
