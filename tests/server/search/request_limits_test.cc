#include "server/search/request_limits.h"

#include <gmock/gmock.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/search.pb.h"
#include "server/search/query.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

class RequestLimitsTest : public testing::Test {
 protected:
  static absl::Status Check(const google::protobuf::Message& message,
                            const std::vector<FieldLimit>& fields) {
    const std::string bytes = message.SerializeAsString();
    google::protobuf::io::ArrayInputStream wire(bytes.data(), static_cast<int>(bytes.size()));
    return MessageLimits(message.GetDescriptor(), fields).Check(&wire, bytes.size());
  }
  // Each list and text at its limit.
  v1::Filter LargestFilter() const {
    v1::Filter filter;
    for (uint32_t i = 0; i < limits_.max_metadata_pairs; ++i) {
      std::string key = absl::StrCat(i);
      key.resize(limits_.max_metadata_key_bytes, 'k');
      (*filter.mutable_metadata())[key] = std::string(limits_.max_metadata_value_bytes, 'v');
      filter.add_attributes()->set_name(std::string(256, 'n'));
    }
    for (uint32_t i = 0; i < limits_.max_ids; ++i) {
      filter.add_exclude_photo_ids(std::string(limits_.max_photo_id_bytes, 'p'));
    }
    for (int i = 0; i < 4; ++i) {
      v1::ColorRange& range = *filter.add_colors();
      range.mutable_color()->mutable_lab()->set_l(1);
      range.mutable_color()->mutable_lab()->set_a(1);
      range.mutable_color()->mutable_lab()->set_b(1);
      range.set_max_difference(1);
      range.set_min_share(1);
    }
    return filter;
  }

  Limits limits_;
};

TEST_F(RequestLimitsTest, LargestSearchThatTheServerAcceptsIsParsed) {
  v1::SearchRequest request;
  auto& drawing = *request.add_examples()->mutable_strokes();
  drawing.set_width(10);
  drawing.set_height(10);
  for (size_t i = 0; i < limits_.strokes.max_strokes; ++i) {
    auto& stroke = *drawing.add_strokes();
    for (size_t k = 0; k < limits_.strokes.max_points / limits_.strokes.max_strokes; ++k) {
      stroke.add_points()->set_x(1);
    }
  }
  while (request.examples_size() < static_cast<int>(limits_.max_examples)) {
    request.add_examples()->set_photo_id("p");
  }
  *request.mutable_filter() = LargestFilter();
  for (int i = 0; i < 4; ++i) request.add_color_preferences()->mutable_color()->set_rgb("#000000");
  ASSERT_THAT(ParseQuery(request, limits_), IsOk());
  EXPECT_THAT(Check(request, SearchFields(limits_)), IsOk());
}

TEST_F(RequestLimitsTest, LargestFilterFitsIntoItsMessage) {
  v1::ListPhotosRequest request;
  *request.mutable_filter() = LargestFilter();
  EXPECT_THAT(Check(request, ListFields(limits_)), IsOk());
  EXPECT_LE(request.ByteSizeLong(), MostFilterBytes(limits_));
}

TEST_F(RequestLimitsTest, FifthColourIsRefusedBeforeItIsParsed) {
  v1::SearchRequest request;
  for (int i = 0; i < 5; ++i) request.add_color_preferences();
  EXPECT_THAT(
      Check(request, SearchFields(limits_)),
      StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("color_preferences")));
  v1::ListPhotosRequest list;
  for (int i = 0; i < 5; ++i) list.mutable_filter()->add_colors();
  EXPECT_THAT(Check(list, ListFields(limits_)),
              StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("filter.colors")));
}

TEST_F(RequestLimitsTest, LargestDeletionFitsIntoItsMessage) {
  v1::DeletePhotosRequest request;
  for (uint32_t i = 0; i < limits_.max_ids; ++i) {
    request.add_photo_ids(std::string(limits_.max_photo_id_bytes, 'p'));
  }
  EXPECT_THAT(Check(request, DeleteFields(limits_)), IsOk());
  EXPECT_LE(request.ByteSizeLong(), MostIdBytes(limits_));
}

TEST_F(RequestLimitsTest, LargestPhotoFitsIntoItsMessage) {
  v1::AddPhotoRequest request;
  request.set_photo_id(std::string(limits_.max_photo_id_bytes, 'p'));
  request.set_image(std::string(limits_.image.max_bytes, 'x'));
  *request.mutable_metadata() = LargestFilter().metadata();
  EXPECT_THAT(Check(request, {}), IsOk());
  EXPECT_LE(request.ByteSizeLong(), MostPhotoBytes(limits_));
}

}  // namespace
}  // namespace s2p::test
