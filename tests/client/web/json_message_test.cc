#include "client/web/json_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "s2p/v1/search.pb.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

absl::Status Check(absl::string_view json, const JsonLimits& limits = {},
                   size_t* values = nullptr) {
  size_t counted = 0;
  const absl::Status status = CheckJsonSize(json, limits, &counted);
  if (values != nullptr) *values = counted;
  return status;
}

// N elements of an array.
std::string Elements(int count, const std::string& element) {
  std::string elements = element;
  for (int i = 1; i < count; ++i) absl::StrAppend(&elements, ",", element);
  return elements;
}

TEST(CheckJsonSizeTest, LongArrayIsNamedByItsField) {
  const std::string json = absl::StrCat(R"({"topK":3,"examples":[{},{"strokes":{"strokes":[)",
                                        Elements(11, R"({"points":[]})"), "]}}]}");
  JsonLimits limits;
  limits.max_elements = 10;
  EXPECT_THAT(Check(json, limits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("examples[1].strokes.strokes: more than 10 elements")));
  limits.max_elements = 11;
  EXPECT_THAT(Check(json, limits), IsOk());
}

TEST(CheckJsonSizeTest, ObjectWithManyMembersIsNamed) {
  JsonLimits limits;
  limits.max_elements = 2;
  EXPECT_THAT(Check(R"({"filter":{"metadata":{"a":"1","b":"2","c":"3"}}})", limits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("filter.metadata: more than 2 elements")));
}

TEST(CheckJsonSizeTest, DeepValueIsNamed) {
  JsonLimits limits;
  limits.max_depth = 3;
  EXPECT_THAT(Check(R"({"a":[[1]]})", limits), IsOk());
  EXPECT_THAT(Check(R"({"a":[[[1]]]})", limits),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a[0][0]: nested more than")));
  EXPECT_THAT(Check(std::string(1 << 20, '[')), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckJsonSizeTest, ManyShortArraysCountTogether) {
  JsonLimits limits;
  limits.max_values = 100;
  EXPECT_THAT(Check(absl::StrCat(R"({"a":[)", Elements(60, "{}"), "]}"), limits),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a[49]: the request has more than 100 values")));
}

TEST(CheckJsonSizeTest, TextInsideStringsDoesNotCount) {
  JsonLimits limits;
  limits.max_elements = 2;
  limits.max_depth = 1;
  EXPECT_THAT(Check(R"({"a":",,,,[[[[{\"]]{{{","b\\":"\\\",,,,"})", limits), IsOk());
}

TEST(CheckJsonSizeTest, DamagedTextEndsTheCountQuietly) {
  for (const char* json : {"", "]", "}}}}", ",,,,", "\"", "\"\\", "{\"a", "[1,2", "{\"a\":"}) {
    EXPECT_THAT(Check(json), IsOk()) << json;
  }
}

// Protobuf's parser would take these, and a count of double quotes alone would take the objects for
// a string.
TEST(CheckJsonSizeTest, SingleQuotesCannotHideValues) {
  for (const char* json : {R"({'name': '"', "fields": [{},{},{}], "oneofs": ['"']})",
                           R"({"name": '"', "fields": [{},{},{}], "oneofs": ['"']})", "'"}) {
    EXPECT_THAT(Check(json), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("a single quote outside a string")))
        << json;
  }
  EXPECT_THAT(Check(R"({"it's":"it's"})"), IsOk());
}

TEST(CheckJsonSizeTest, KeyWithoutQuotesIsRefused) {
  for (const char* json :
       {"{name:1}", "{ \n_a: 1}", "{\"a\":1, $b:2}", "{true:1}", "[{},{null:1}]"}) {
    EXPECT_THAT(Check(json),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a key without quotes")))
        << json;
  }
  EXPECT_THAT(Check("{ \t\r\n\"a\" : true ,\n\"b\" : [ null , -1.5e3 ] }"), IsOk());
}

TEST(CheckJsonSizeTest, LargestDrawingThatTheServerTakesPasses) {
  const std::string stroke =
      absl::StrCat(R"({"points":[)", Elements(50, R"({"x":1.5,"y":2.5})"), "]}");
  size_t values = 0;
  EXPECT_THAT(Check(absl::StrCat(R"({"examples":[{"strokes":{"strokes":[)", Elements(2000, stroke),
                                 "]}}]}"),
                    {}, &values),
              IsOk());
  EXPECT_GT(values, 200'000u);
}

class ReadRequestTest : public testing::Test {
 protected:
  absl::Status Read(const std::string& json) {
    HttpRequest request;
    request.body = json;
    Exchange exchange{request, {}, "id", absl::Seconds(1), MemoryLimit::Share(&budget_)};
    v1::SearchRequest message;
    return ReadRequest(exchange, message);
  }
  MemoryLimit budget_{1000};
};

TEST_F(ReadRequestTest, BombIsRefusedBeforeItBecomesAMessage) {
  EXPECT_THAT(Read(absl::StrCat(R"({"examples":[{"strokes":{"strokes":[)", Elements(200'000, "{}"),
                                "]}}]}")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("examples[0].strokes.strokes: more than 100000 elements")));
}

TEST_F(ReadRequestTest, OtherQuotesAreNotJson) {
  EXPECT_THAT(Read("{'topK':3}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not JSON of a SearchRequest: a single quote outside a string")));
  EXPECT_THAT(Read("{topK:3}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not JSON of a SearchRequest: a key without quotes")));
}

TEST_F(ReadRequestTest, MessagesShareABoundedMemoryAndGiveItBack) {
  const std::string small = R"({"topK":3})";
  EXPECT_THAT(Read(small), IsOk());
  EXPECT_EQ(budget_.used(), 0u);
  MemoryLimit::Share others(&budget_);
  ASSERT_TRUE(others.Hold(950));
  EXPECT_THAT(Read(small), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("too many large")));
}

}  // namespace
}  // namespace s2p
