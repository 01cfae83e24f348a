#include "daemon/http/http_head_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

using Progress = HttpHeadScanner::Progress;
using testing::HasSubstr;

constexpr char kHead[] = "GET /path HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";

TEST(HttpHeadScannerTest, HeadIsCompleteAfterItsEmptyLine) {
  HttpHeadScanner scanner({});
  EXPECT_EQ(scanner.Scan(absl::StrCat(kHead, "body")), Progress::kComplete);
  EXPECT_EQ(scanner.length(), sizeof(kHead) - 1);
}

TEST(HttpHeadScannerTest, PortionsDoNotMatter) {
  HttpHeadScanner scanner({});
  const std::string head = kHead;
  for (size_t i = 0; i + 1 < head.size(); ++i) {
    ASSERT_EQ(scanner.Scan(head.substr(i, 1)), Progress::kMore) << i;
  }
  EXPECT_EQ(scanner.Scan("\n"), Progress::kComplete);
}

TEST(HttpHeadScannerTest, LimitsAreExact) {
  HttpHeadLimits limits;
  limits.max_target_bytes = 5;
  limits.max_headers = 2;
  limits.max_head_bytes = sizeof(kHead) - 1;
  EXPECT_EQ(HttpHeadScanner(limits).Scan(kHead), Progress::kComplete);
  const auto status_with = [](const HttpHeadLimits& smaller) {
    HttpHeadScanner scanner(smaller);
    EXPECT_EQ(scanner.Scan(kHead), Progress::kRefused);
    return scanner.status();
  };
  HttpHeadLimits target = limits, headers = limits, bytes = limits;
  --target.max_target_bytes;
  --headers.max_headers;
  --bytes.max_head_bytes;
  EXPECT_EQ(status_with(target), 414);
  EXPECT_EQ(status_with(headers), 431);
  EXPECT_EQ(status_with(bytes), 431);
}

TEST(HttpHeadScannerTest, GarbageIsRefusedAtItsFirstByte) {
  HttpHeadScanner scanner({});
  EXPECT_EQ(scanner.Scan("\x16"), Progress::kRefused);
  EXPECT_EQ(scanner.status(), 400);
  EXPECT_THAT(scanner.message(), HasSubstr("control character"));
}

TEST(HttpHeadScannerTest, OneEmptyLineBeforeTheRequestIsAccepted) {
  EXPECT_EQ(HttpHeadScanner({}).Scan(absl::StrCat("\r\n", kHead)), Progress::kComplete);
  EXPECT_EQ(HttpHeadScanner({}).Scan(absl::StrCat("\r\n\r\n", kHead)), Progress::kRefused);
}

}  // namespace
}  // namespace s2p
