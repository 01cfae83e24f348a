#include "base/message_limits.h"

#include <gmock/gmock.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/search.pb.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class MessageLimitsTest : public testing::Test {
 protected:
  // In blocks of this many bytes, as the network delivers them.
  static absl::Status Check(const MessageLimits& limits, const std::string& bytes, int block = -1) {
    google::protobuf::io::ArrayInputStream wire(bytes.data(), static_cast<int>(bytes.size()),
                                                block);
    return limits.Check(&wire, bytes.size());
  }
  static v1::SearchRequest Drawing(int strokes, int points) {
    v1::SearchRequest request;
    auto& drawing = *request.add_examples()->mutable_strokes();
    for (int i = 0; i < strokes; ++i) {
      auto& stroke = *drawing.add_strokes();
      for (int k = 0; k < points; ++k) stroke.add_points()->set_x(static_cast<float>(k + 1));
    }
    return request;
  }

  const MessageLimits limits_{v1::SearchRequest::descriptor(),
                              {{"examples", 2, ""},
                               {"examples.strokes.strokes", 3, "examples"},
                               {"examples.strokes.strokes.points", 6, "examples"},
                               {"filter.metadata", 2, ""},
                               {"filter.exclude_photo_ids", 2, ""}}};
};

TEST_F(MessageLimitsTest, AsManyElementsAsAllowedAreOk) {
  v1::SearchRequest request = Drawing(3, 2);
  request.add_examples()->CopyFrom(request.examples(0));
  EXPECT_THAT(Check(limits_, request.SerializeAsString()), IsOk());
}

TEST_F(MessageLimitsTest, OneElementMoreIsNamedWithItsLimit) {
  EXPECT_THAT(Check(limits_, Drawing(4, 1).SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("examples.strokes.strokes:"), HasSubstr("at most 3 are"))));
  EXPECT_THAT(
      Check(limits_, Drawing(1, 7).SerializeAsString()),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("examples.strokes.strokes.points:"), HasSubstr("at most 6 are"))));
}

TEST_F(MessageLimitsTest, ElementsAreCountedTogetherWithinOneExample) {
  // Three strokes with three points each.
  EXPECT_THAT(Check(limits_, Drawing(3, 3).SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("in one of examples")));
}

TEST_F(MessageLimitsTest, DrawingThatComesInTwoPartsIsCountedOnce) {
  // protobuf merges a message that comes twice.
  v1::Example half = Drawing(2, 1).examples(0);
  v1::SearchRequest request;
  std::string example = half.SerializeAsString() + half.SerializeAsString();
  const std::string bytes = std::string("\x0A") + static_cast<char>(example.size()) + example;
  ASSERT_TRUE(request.ParseFromString(bytes));
  ASSERT_EQ(request.examples(0).strokes().strokes_size(), 4);
  EXPECT_THAT(Check(limits_, bytes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("examples.strokes.strokes:")));
}

TEST_F(MessageLimitsTest, PairsOfAMapAndTextsAreCounted) {
  v1::SearchRequest request;
  for (const char* key : {"a", "b", "c"}) {
    (*request.mutable_filter()->mutable_metadata())[key] = "";
  }
  EXPECT_THAT(Check(limits_, request.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("filter.metadata:")));
  request.mutable_filter()->clear_metadata();
  for (int i = 0; i < 3; ++i) request.mutable_filter()->add_exclude_photo_ids("");
  EXPECT_THAT(Check(limits_, request.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("filter.exclude_photo_ids:")));
}

TEST_F(MessageLimitsTest, SmallBlocksChangeNothing) {
  const std::string good = Drawing(3, 2).SerializeAsString();
  const std::string bad = Drawing(3, 3).SerializeAsString();
  for (const int block : {1, 2, 3, 7}) {
    EXPECT_THAT(Check(limits_, good, block), IsOk());
    EXPECT_THAT(Check(limits_, bad, block), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

// The type of a message that no limit names.
TEST_F(MessageLimitsTest, TwoBytesForEachObjectAreTooManyObjects) {
  const MessageLimits none(v1::SearchRequest::descriptor(), {});
  std::string strokes;
  for (int i = 0; i < (1 << 20); ++i) strokes += std::string("\x1A\x00", 2);
  v1::Example example;
  ASSERT_TRUE(example.mutable_strokes()->ParseFromString(strokes));
  v1::SearchRequest request;
  *request.add_examples() = example;
  EXPECT_THAT(Check(none, request.SerializeAsString()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("examples.strokes.strokes:"), HasSubstr("of memory"))));
}

TEST_F(MessageLimitsTest, UnknownFieldsCostMemoryToo) {
  const MessageLimits none(v1::SearchRequest::descriptor(), {});
  // Field 15, a varint.
  std::string bytes;
  for (int i = 0; i < (1 << 20); ++i) bytes += std::string("\x78\x00", 2);
  EXPECT_THAT(Check(none, bytes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("(unknown field)")));
  EXPECT_THAT(Check(none, bytes.substr(0, 1000)), IsOk());
}

TEST_F(MessageLimitsTest, LargestDrawingFits) {
  const MessageLimits product(
      v1::SearchRequest::descriptor(),
      {{"examples", 16, ""}, {"examples.strokes.strokes.points", 100000, "examples"}});
  EXPECT_THAT(Check(product, Drawing(1, 100000).SerializeAsString()), IsOk());
}

TEST_F(MessageLimitsTest, LargeImageIsNotManyObjects) {
  const MessageLimits none(v1::AddPhotoRequest::descriptor(), {});
  v1::AddPhotoRequest request;
  request.set_image(std::string(10 << 20, 'x'));
  EXPECT_THAT(Check(none, request.SerializeAsString()), IsOk());
}

// The parser says what is wrong with them.
TEST_F(MessageLimitsTest, BytesThatAreNoMessageAreOk) {
  for (const std::string& bytes :
       {std::string("\xFF\xFF\xFF"), std::string("\x0A\x40too short"), std::string("\x0A"),
        std::string("\x0B\x0B\x0B"), std::string("\x0C"), std::string(5000, '\x0B')}) {
    EXPECT_THAT(Check(limits_, bytes), IsOk());
  }
}

TEST_F(MessageLimitsTest, WhatIsOkDoesNotGrowBeyondItsBound) {
  const MessageLimits none(v1::SearchRequest::descriptor(), {});
  std::mt19937 random(7);
  const std::string seed = Drawing(3, 4).SerializeAsString();
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    const int copies = 1 + static_cast<int>(random() % 20);
    for (int i = 0; i < copies; ++i) bytes += seed;
    for (int i = 0; i < 4; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (!Check(none, bytes).ok()) continue;
    v1::SearchRequest request;
    request.ParsePartialFromString(bytes);
    EXPECT_LE(request.SpaceUsedLong(), 4 * bytes.size() + (4u << 20));
  }
}

TEST(MessageLimitsDeathTest, UnknownFieldInALimitIsOurBug) {
  EXPECT_DEATH(MessageLimits(v1::SearchRequest::descriptor(), {{"examples.nothing", 1, ""}}),
               "check failed: field");
}

TEST(MessageLimitsDeathTest, LimitOnASingleValueIsOurBug) {
  EXPECT_DEATH(MessageLimits(v1::SearchRequest::descriptor(), {{"top_k", 1, ""}}),
               "check failed: repeated");
}

}  // namespace
}  // namespace s2p::test
