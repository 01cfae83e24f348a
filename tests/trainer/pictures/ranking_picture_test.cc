#include "trainer/pictures/ranking_picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "model/file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/trainer/pictures/picture_pixels.h"

namespace s2p {
namespace {

using test::CountPixels;
using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Color kMissedInk = {190, 40, 40};

// A query of grey level 10 with ten matches of levels 100, 101, ...; number `hit` (from 0) is
// right.
RankedQuery Query(int hit, int true_rank) {
  RankedQuery query;
  query.query = Image(8, 8, 10);
  for (int i = 0; i < kRankingPictureMatches; ++i) {
    query.top.push_back(Image(8, 8, static_cast<uint8_t>(100 + i)));
    query.hit.push_back(i == hit);
  }
  query.true_rank = true_rank;
  query.caption = "identity 7";
  return query;
}

Image Draw(const std::vector<RankedQuery>& queries) {
  auto image = DrawRankingPicture(queries, "a title");
  EXPECT_THAT(image, IsOk());
  return *std::move(image);
}

// Below title and legend.
CanvasBox Rows(const Image& image) { return {0, 64, 1.0 * image.width(), image.height() - 64.0}; }

Color Grey(int level) {
  const auto value = static_cast<uint8_t>(level);
  return {value, value, value};
}

// Columns of the first pixel of a grey level; -1 if there is none.
int ColumnOf(const Image& image, int level) {
  for (int x = 0; x < image.width(); ++x) {
    if (CountPixels(image, {1.0 * x, 64, 1, image.height() - 64.0}, Grey(level)) > 50) return x;
  }
  return -1;
}

TEST(RankingPictureTest, QueryStandsAtTheLeftOfItsMatchesInOrder) {
  const Image image = Draw({Query(0, 1)});
  int before = ColumnOf(image, 10);
  EXPECT_GT(before, 0);
  for (int i = 0; i < kRankingPictureMatches; ++i) {
    const int column = ColumnOf(image, 100 + i);
    EXPECT_GT(column, before + 100) << "match " << i + 1;
    before = column;
  }
}

TEST(RankingPictureTest, OnlyTheFirstTenAreDrawn) {
  RankedQuery query = Query(0, 1);
  query.top.push_back(Image(8, 8, 200));
  query.hit.push_back(true);
  const Image image = Draw({query});
  EXPECT_EQ(image.width(), Draw({Query(0, 1)}).width());
  EXPECT_EQ(image.pixels(), Draw({Query(0, 1)}).pixels());
}

TEST(RankingPictureTest, HitIsFramedGreenAndNoOther) {
  const Image image = Draw({Query(3, 4)});
  const int column = ColumnOf(image, 103);
  const double width = ColumnOf(image, 104) - column;
  const CanvasBox around{column - 5.0, 64, width, image.height() - 64.0};
  const int green = CountPixels(image, Rows(image), kHitColor);
  EXPECT_GT(green, 1000);
  EXPECT_EQ(CountPixels(image, around, kHitColor), green);
}

TEST(RankingPictureTest, MissesHaveThinGreyFrames) {
  const Image image = Draw({Query(-1, 37)});
  EXPECT_EQ(CountPixels(image, Rows(image), kHitColor), 0);
  const int column = ColumnOf(image, 105);
  EXPECT_EQ(test::PixelAt(image, column - 1, 120), kMissColor);
  EXPECT_EQ(test::PixelAt(image, column - 2, 120), Grey(255));
}

TEST(RankingPictureTest, RankIsWrittenOnlyWhereNoHitIsShown) {
  const auto ink = [](const RankedQuery& query) {
    const Image image = Draw({query});
    return CountPixels(image, {0, 64, 76, image.height() - 64.0}, kMissedInk);
  };
  EXPECT_GT(ink(Query(-1, 37)), 10);
  EXPECT_EQ(ink(Query(9, 10)), 0);
  EXPECT_EQ(ink(Query(-1, 0)), 0) << "no true match: other words, in grey";
}

TEST(RankingPictureTest, EveryQueryIsARow) {
  const int one = Draw({Query(0, 1)}).height();
  const int two = Draw({Query(0, 1), Query(1, 2)}).height();
  const int three = Draw({Query(0, 1), Query(1, 2), Query(2, 3)}).height();
  EXPECT_GT(two, one + 100);
  EXPECT_EQ(three - two, two - one);
}

TEST(RankingPictureTest, TallImagesGetTallCells) {
  RankedQuery tall = Query(0, 1);
  tall.query = Image(16, 32, 10);
  for (Image& image : tall.top) image = Image(16, 32, 100);
  EXPECT_GT(Draw({tall}).height(), Draw({Query(0, 1)}).height() + 80);
}

TEST(RankingPictureTest, MissingImageLeavesItsCellEmpty) {
  RankedQuery query = Query(0, 1);
  query.top[2] = Image();
  const Image image = Draw({query});
  EXPECT_EQ(ColumnOf(image, 102), -1);
  EXPECT_GT(ColumnOf(image, 103), 0);
}

TEST(RankingPictureTest, FewerMatchesThanTenAreDrawn) {
  RankedQuery query = Query(0, 1);
  query.top.resize(2);
  query.hit.resize(2);
  const Image image = Draw({query});
  EXPECT_GT(ColumnOf(image, 101), 0);
  EXPECT_EQ(ColumnOf(image, 102), -1);
}

TEST(RankingPictureTest, WithoutQueriesThereAreWords) {
  const Image image = Draw({});
  EXPECT_GT(image.height(), 100);
  EXPECT_LT(CountPixels(image, Rows(image), Grey(255)),
            static_cast<int>(image.width() * (image.height() - 64.0)) - 200);
}

TEST(RankingPictureTest, UnequalListsAreRefusedNamingTheQuery) {
  RankedQuery query = Query(0, 1);
  query.hit.pop_back();
  const auto image = DrawRankingPicture({Query(0, 1), query}, "");
  EXPECT_THAT(
      image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("query 2: 10 matches, but 9")));
}

TEST(RankingPictureTest, TooManyRowsAreRefused) {
  const auto image = DrawRankingPicture(std::vector<RankedQuery>(101), "");
  EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 100")));
}

TEST(RankingPictureTest, FortyTallRowsFit) {
  RankedQuery tall = Query(0, 1);
  tall.query = Image(4, 16, 10);
  for (Image& image : tall.top) image = Image(4, 16, 100);
  EXPECT_FALSE(Draw(std::vector<RankedQuery>(40, tall)).empty());
}

TEST(ChooseRowsTest, WorstComeFirstAndUnmatchedLast) {
  EXPECT_THAT(ChooseRows({3, 0, 9, 3, 1}, std::vector<float>(5), 10, RowOrder::kWorstFirst),
              ElementsAre(2, 0, 3, 4, 1));
}

TEST(ChooseRowsTest, BestHaveTheLargestMarginAndUnmatchedComeLast) {
  EXPECT_THAT(ChooseRows({1, 0, 2, 1, 1}, {0.2F, 0, -0.1F, 0.4F, 0.2F}, 10, RowOrder::kBestFirst),
              ElementsAre(3, 0, 4, 2, 1));
}

TEST(ChooseRowsTest, NoMoreThanAskedFor) {
  const std::vector<float> margins = {-0.2F, 0, -0.9F, -0.3F, 0.1F};
  EXPECT_THAT(ChooseRows({3, 0, 9, 3, 1}, margins, 2, RowOrder::kWorstFirst), ElementsAre(2, 0));
  EXPECT_THAT(ChooseRows({3, 0, 9, 3, 1}, margins, 2, RowOrder::kBestFirst), ElementsAre(4, 0));
}

TEST(ChooseRowsTest, NoneOfNoneIsNone) {
  EXPECT_THAT(ChooseRows({}, {}, 5, RowOrder::kWorstFirst), IsEmpty());
  EXPECT_THAT(ChooseRows({1, 2}, {0, 0}, 0, RowOrder::kWorstFirst), IsEmpty());
}

TEST(WriteRankingPictureTest, WritesWhatIsDrawn) {
  const test::TempDir dir;
  const std::vector<RankedQuery> queries = {Query(-1, 50), Query(2, 3)};
  ASSERT_THAT(WriteRankingPicture(queries, "a title", dir.File("top.png")), IsOk());
  const auto image = DecodeImage(*ReadWholeFile(dir.File("top.png"), 1 << 24));
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(image->pixels(), Draw(queries).pixels());
  EXPECT_FALSE(std::filesystem::exists(dir.File("top.png.tmp")));
}

TEST(WriteRankingPictureTest, UnwritablePathIsNamed) {
  const test::TempDir dir;
  const absl::Status status = WriteRankingPicture({Query(0, 1)}, "", dir.File("no/top.png"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir.File("no/top.png"))));
}

TEST(WriteRankingPictureTest, QueriesThatCannotBeDrawnLeaveNoFile) {
  const test::TempDir dir;
  RankedQuery query = Query(0, 1);
  query.hit.clear();
  const absl::Status status = WriteRankingPicture({query}, "", dir.File("top.png"));
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir.File("top.png") + ": query 1"));
  EXPECT_FALSE(std::filesystem::exists(dir.File("top.png")));
}

TEST(CanvasTest, AbsurdSizesAreRefused) {
  for (const auto& [width, height] : {std::pair(0, 10), std::pair(10, -1), std::pair(10, 16385)}) {
    EXPECT_THAT(Canvas::Create(width, height), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(CanvasTest, WhatIsOutsideIsCutOff) {
  auto canvas = *Canvas::Create(20, 20);
  canvas.DrawImage(Image(4, 4, 7), {15, 15, 10, 10});
  canvas.DrawImage(Image(4, 4, 7), {-50, 0, 10, 10});
  canvas.DrawTextUpwards("far away", {300, -40}, 10, {1, 2, 3});
  canvas.DrawLine({-100, 10}, {100, 10}, 2, {9, 9, 9});
  const auto image = canvas.Finish();
  ASSERT_THAT(image, IsOk());
  EXPECT_EQ(test::PixelAt(*image, 19, 19), Grey(7));
  EXPECT_EQ(test::PixelAt(*image, 14, 14), Grey(255));
  EXPECT_EQ(test::PixelAt(*image, 5, 10), Grey(9));
}

TEST(CanvasTest, LongTextIsCut) {
  EXPECT_EQ(Canvas::CutToWidth("abc", 10, 200), "abc");
  const std::string cut = Canvas::CutToWidth(std::string(100, 'w'), 10, 120);
  EXPECT_LE(Canvas::TextWidth(cut, 10), 120);
  EXPECT_THAT(cut, testing::EndsWith("w.."));
}

TEST(CanvasTest, LettersBeyondAsciiAreMarked) {
  EXPECT_EQ(Canvas::CutToWidth("gr\xC3\xBCn", 10, 200), "gr?n");
}

}  // namespace
}  // namespace s2p
