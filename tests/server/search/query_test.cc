#include "server/search/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/server/gallery_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class QueryTest : public testing::Test {
 protected:
  QueryTest() { request_.add_examples()->set_image(PhotoBytes(1)); }

  void ExpectRefused(const std::string& field) {
    const auto query = ParseQuery(request_, limits_);
    EXPECT_THAT(query, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(field))) << field;
  }
  v1::Strokes* AddStrokes() {
    v1::Strokes* strokes = request_.mutable_examples(0)->mutable_strokes();
    strokes->set_width(100);
    strokes->set_height(100);
    strokes->add_strokes()->add_points()->set_x(5);
    return strokes;
  }

  Limits limits_;
  v1::SearchRequest request_;
};

TEST_F(QueryTest, DefaultsAreTheApis) {
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  EXPECT_EQ(query->search.top_k, 10);
  EXPECT_LE(query->search.min_score, -1);
  EXPECT_EQ(query->examples[0].modality, v1::MODALITY_SKETCH);
  EXPECT_EQ(query->examples[0].weight, 1);
  EXPECT_EQ(query->image_bytes, 8 * 8 * 3);
  EXPECT_EQ(query->decode_bytes, ReadImageHeader(PhotoBytes(1))->decode_bytes);
}

TEST_F(QueryTest, NoExampleIsRefused) {
  request_.clear_examples();
  ExpectRefused("examples");
}

TEST_F(QueryTest, TooManyExamplesAreRefused) {
  for (int i = 0; i < 16; ++i) request_.add_examples()->set_photo_id("a");
  ExpectRefused("examples: 17");
}

TEST_F(QueryTest, ExampleWithoutContentIsRefused) {
  request_.add_examples();
  ExpectRefused("examples[1]");
}

TEST_F(QueryTest, TopKOutsideItsRangeIsRefused) {
  for (const uint32_t top_k : {0u, 1001u}) {
    request_.set_top_k(top_k);
    ExpectRefused("top_k");
  }
}

TEST_F(QueryTest, MinScoreOutsideItsRangeIsRefused) {
  for (const float score : {-1.5F, 1.5F, std::nanf("")}) {
    request_.set_min_score(score);
    ExpectRefused("min_score");
  }
}

TEST_F(QueryTest, WeightThatIsNotFiniteIsRefused) {
  request_.mutable_examples(0)->set_weight(std::numeric_limits<float>::infinity());
  ExpectRefused("examples[0].weight");
}

TEST_F(QueryTest, UnknownModalityIsRefused) {
  request_.mutable_examples(0)->set_modality(static_cast<v1::Modality>(7));
  ExpectRefused("examples[0].modality");
}

TEST_F(QueryTest, BadImageIsRefusedBeforeItIsDecoded) {
  request_.add_examples()->set_image("no image");
  ExpectRefused("examples[1].image: not a JPEG, PNG or WebP image");
}

TEST_F(QueryTest, CostOfSeveralImagesIsThatOfTheLastNextToTheOthers) {
  request_.add_examples()->set_image(PhotoBytes(2));
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  EXPECT_EQ(query->image_bytes, 2 * 192);
  EXPECT_EQ(query->decode_bytes, 192 + ReadImageHeader(PhotoBytes(2))->decode_bytes);
}

TEST_F(QueryTest, ImagesThatDoNotFitTogetherAreRefused) {
  request_.add_examples()->set_image(PhotoBytes(2));
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  limits_.max_decode_bytes = query->decode_bytes;
  EXPECT_THAT(ParseQuery(request_, limits_), IsOk());
  limits_.max_decode_bytes = query->decode_bytes - 1;
  ExpectRefused("examples: to decode their images takes");
}

TEST_F(QueryTest, TooManyStrokesAreRefused) {
  v1::Strokes* strokes = AddStrokes();
  for (int i = 0; i < 2000; ++i) strokes->add_strokes();
  ExpectRefused("examples[0].strokes");
}

TEST_F(QueryTest, BadStrokeIsNamedWhenItIsDrawn) {
  AddStrokes()->mutable_strokes(0)->mutable_points(0)->set_y(std::nanf(""));
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  InProcessDecoder decoder;
  const auto images = DecodeExamples(*query, limits_, decoder, CallLife());
  EXPECT_THAT(images, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("examples[0].strokes: strokes[0].points[0].y")));
}

TEST_F(QueryTest, DrawingsAreNotMadeOnceTheCallHasEnded) {
  AddStrokes();
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  InProcessDecoder decoder;
  CallLife life;
  life.cancelled = [] { return true; };
  EXPECT_THAT(DecodeExamples(*query, limits_, decoder, life),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(QueryTest, DrawingsOfAQueryShareTheInkOfOne) {
  AddStrokes();
  auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  query->examples.push_back(query->examples[0]);
  InProcessDecoder decoder;
  // Each of the two touches some pixels, and one of them fewer than all that are allowed.
  double least = 1;
  while (true) {
    limits_.strokes.max_touched_pixels = least;
    if (RasterizeStrokes(*query->examples[0].strokes, limits_.strokes).ok()) break;
    least *= 2;
  }
  limits_.strokes.max_touched_pixels = 4 * least;
  EXPECT_THAT(DecodeExamples(*query, limits_, decoder, CallLife()), IsOk());
  limits_.strokes.max_touched_pixels = least / 2;
  EXPECT_THAT(RasterizeStrokes(*query->examples[0].strokes, limits_.strokes),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too much ink")));
  limits_.strokes.max_touched_pixels = least;
  EXPECT_THAT(DecodeExamples(*query, limits_, decoder, CallLife()),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too much ink")));
}

TEST_F(QueryTest, PhotosOfAQueryTakeNoInkFromItsDrawing) {
  AddStrokes();
  auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  double least = 1;
  while (true) {
    limits_.strokes.max_touched_pixels = least;
    if (RasterizeStrokes(*query->examples[0].strokes, limits_.strokes).ok()) break;
    least *= 2;
  }
  QueryExample photo;
  photo.photo_id = "a";
  query->examples.resize(16, photo);
  InProcessDecoder decoder;
  EXPECT_THAT(DecodeExamples(*query, limits_, decoder, CallLife()), IsOk());
}

TEST_F(QueryTest, PhotoIdWithControlCharacterIsRefused) {
  request_.mutable_examples(0)->set_photo_id("a\nb");
  ExpectRefused("examples[0].photo_id");
}

TEST_F(QueryTest, FilterRangesAreChecked) {
  v1::AttributeRange* range = request_.mutable_filter()->add_attributes();
  ExpectRefused("filter.attributes[0].name");
  range->set_name(std::string(257, 'n'));
  ExpectRefused("filter.attributes[0].name: has 257 bytes");
  range->set_name("boots");
  range->set_min(1.5F);
  ExpectRefused("filter.attributes[0].min");
  range->set_min(0.8F);
  range->set_max(0.2F);
  ExpectRefused("filter.attributes[0]");
}

TEST_F(QueryTest, ColoursHaveTheApisDefaults) {
  request_.add_color_preferences()->mutable_color()->set_rgb("#ff0000");
  v1::LabColor& lab = *request_.mutable_filter()->add_colors()->mutable_color()->mutable_lab();
  lab.set_l(40);
  lab.set_a(-128);
  lab.set_b(128);
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  ASSERT_EQ(query->search.colours.size(), 1u);
  EXPECT_NEAR(query->search.colours[0].colour.l, 53.24, 0.01);
  EXPECT_FLOAT_EQ(query->search.colours[0].weight, 0.3F);
  ASSERT_EQ(query->search.filter.colours.size(), 1u);
  EXPECT_EQ(query->search.filter.colours[0].colour.a, -128);
  EXPECT_FLOAT_EQ(query->search.filter.colours[0].max_difference, 20);
  EXPECT_FLOAT_EQ(query->search.filter.colours[0].min_share, 0.1F);
}

TEST_F(QueryTest, ColourNumbersAreTaken) {
  v1::ColorPreference& preference = *request_.add_color_preferences();
  preference.mutable_color()->set_rgb("#000000");
  preference.set_weight(0);
  v1::ColorRange& range = *request_.mutable_filter()->add_colors();
  range.mutable_color()->set_rgb("#000000");
  range.set_max_difference(0);
  range.set_min_share(1);
  const auto query = ParseQuery(request_, limits_);
  ASSERT_THAT(query, IsOk());
  EXPECT_EQ(query->search.colours[0].weight, 0);
  EXPECT_EQ(query->search.filter.colours[0].max_difference, 0);
  EXPECT_EQ(query->search.filter.colours[0].min_share, 1);
}

TEST_F(QueryTest, PreferenceThatIsNoneIsRefused) {
  v1::ColorPreference& preference = *request_.add_color_preferences();
  ExpectRefused("color_preferences[0].color: needs rgb or lab");
  preference.mutable_color()->set_rgb("red");
  ExpectRefused("color_preferences[0].color.rgb: must be # and six hex digits");
  preference.mutable_color()->set_rgb("#ff0000");
  for (const float weight : {-0.1F, 1.5F, std::nanf("")}) {
    preference.set_weight(weight);
    ExpectRefused("color_preferences[0].weight: must be 0 to 1");
  }
}

TEST_F(QueryTest, ColourOutsideOfLabIsRefused) {
  v1::LabColor& lab = *request_.add_color_preferences()->mutable_color()->mutable_lab();
  for (const float wrong : {-200.0F, 200.0F, std::nanf("")}) {
    lab = {};
    lab.set_l(wrong);
    ExpectRefused("color_preferences[0].color.lab.l: must be 0 to 100");
    lab = {};
    lab.set_a(wrong);
    ExpectRefused("color_preferences[0].color.lab.a: must be -128 to 128");
    lab = {};
    lab.set_b(wrong);
    ExpectRefused("color_preferences[0].color.lab.b: must be -128 to 128");
  }
}

TEST_F(QueryTest, ColourRangesAreChecked) {
  v1::ColorRange& range = *request_.mutable_filter()->add_colors();
  ExpectRefused("filter.colors[0].color: needs rgb or lab");
  range.mutable_color()->set_rgb("#ff00");
  ExpectRefused("filter.colors[0].color.rgb: must be");
  range.mutable_color()->set_rgb("#ff0000");
  for (const float difference : {-1.0F, 101.0F, std::nanf("")}) {
    range.set_max_difference(difference);
    ExpectRefused("filter.colors[0].max_difference: must be 0 to 100");
  }
  range.clear_max_difference();
  for (const float share : {0.0F, -1.0F, 1.5F, std::nanf("")}) {
    range.set_min_share(share);
    ExpectRefused("filter.colors[0].min_share: must be above 0 and at most 1");
  }
}

TEST_F(QueryTest, FiveColoursAreTooMany) {
  for (int i = 0; i < 5; ++i) {
    request_.add_color_preferences()->mutable_color()->set_rgb("#ff0000");
  }
  ExpectRefused("color_preferences: at most 4 are allowed");
  request_.clear_color_preferences();
  for (int i = 0; i < 5; ++i) {
    request_.mutable_filter()->add_colors()->mutable_color()->set_rgb("#ff0000");
  }
  ExpectRefused("filter.colors: at most 4 are allowed");
}

TEST_F(QueryTest, FilterMetadataIsLimited) {
  (*request_.mutable_filter()->mutable_metadata())[std::string(65, 'k')] = "v";
  ExpectRefused("filter.metadata");
}

// Fusing, against a gallery with the items "a", "b" (photos).
class FuseTest : public GalleryTest {
 protected:
  FuseTest() {
    Reopen();
    for (auto& outcome : gallery_->Add({Item("a", 1), Item("b", 2)})) EXPECT_THAT(outcome, IsOk());
  }
  absl::StatusOr<EmbeddingMatrix> Fuse(const std::vector<std::pair<std::string, float>>& items,
                                       v1::Modality modality = v1::MODALITY_UNSPECIFIED) {
    Query query;
    for (const auto& [photo_id, weight] : items) {
      QueryExample& example = query.examples.emplace_back();
      example.photo_id = photo_id;
      example.weight = weight;
      example.modality = modality;
    }
    return FuseExamples(query, EmbeddingMatrix(), *slot_.Get()->gallery);
  }
  std::vector<double> EmbeddingOf(const std::string& photo_id) {
    const auto embedding = *slot_.Get()->gallery->EmbeddingOf(photo_id);
    return {embedding.begin(), embedding.end()};
  }
};

TEST_F(FuseTest, SumIsWeightedAndOfUnitLength) {
  const auto fused = Fuse({{"a", 2}, {"b", -1}});
  ASSERT_THAT(fused, IsOk());
  const auto a = EmbeddingOf("a"), b = EmbeddingOf("b");
  double norm = 0;
  for (size_t k = 0; k < a.size(); ++k) norm += std::pow(2 * a[k] - b[k], 2);
  for (size_t k = 0; k < a.size(); ++k) {
    EXPECT_NEAR(fused->row(0)[k], (2 * a[k] - b[k]) / std::sqrt(norm), 1e-6);
  }
}

TEST_F(FuseTest, ExamplesThatCancelOutAreRefused) {
  const auto fused = Fuse({{"a", 1}, {"a", -1}});
  EXPECT_THAT(fused, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("examples")));
}

TEST_F(FuseTest, UnknownItemIsNotFound) {
  const auto fused = Fuse({{"a", 1}, {"none", 1}});
  EXPECT_THAT(fused, StatusIs(absl::StatusCode::kNotFound, HasSubstr("examples[1].photo_id")));
}

TEST_F(FuseTest, AnotherModalityThanTheItemsIsRefused) {
  EXPECT_THAT(Fuse({{"a", 1}}, v1::MODALITY_PHOTO), IsOk());
  EXPECT_THAT(Fuse({{"a", 1}}, v1::MODALITY_SKETCH), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace s2p::test
