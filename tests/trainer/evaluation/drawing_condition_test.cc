#include "trainer/evaluation/drawing_condition.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::Each;
using testing::HasSubstr;

// A white square of 64 pixels with a black bar.
Image Sketch() {
  Image image(64, 64);
  for (int y = 16; y < 48; ++y) std::fill_n(image.row(y) + 3 * 24, 3 * 8, uint8_t{0});
  return image;
}

std::vector<int> PixelOf(const Image& image, int x, int y) {
  const uint8_t* at = image.row(y) + 3 * x;
  return {at[0], at[1], at[2]};
}

Image Under(const std::string& name, uint32_t seed = 1) {
  return DrawUnder(*ParseDrawingCondition(name), Sketch(), seed);
}

TEST(DrawingConditionTest, CleanSketchIsUnchanged) {
  EXPECT_EQ(Under("clean").pixels(), Sketch().pixels());
}

TEST(DrawingConditionTest, GreyGroundIsFourFifthsOfWhiteAndInkStaysBlack) {
  const Image grey = Under("grey");
  EXPECT_THAT(PixelOf(grey, 2, 2), Each(204));
  EXPECT_THAT(PixelOf(grey, 26, 20), Each(0));
}

TEST(DrawingConditionTest, PaperIsDarkerOnOneSideThanOnTheOther) {
  const Image paper = Under("paper");
  int darkest = 255, lightest = 0;
  for (const int x : {1, 32, 62}) {
    for (const int y : {1, 62}) {
      darkest = std::min(darkest, PixelOf(paper, x, y)[0]);
      lightest = std::max(lightest, PixelOf(paper, x, y)[0]);
    }
  }
  EXPECT_GT(lightest - darkest, 60);
  EXPECT_LT(lightest, 255);
}

TEST(DrawingConditionTest, SpecksAreDarkAndSmall) {
  const Image specks = Under("specks"), clean = Sketch();
  int changed = 0;
  for (size_t i = 0; i < clean.pixels().size(); ++i) {
    if (specks.pixels()[i] == clean.pixels()[i]) continue;
    EXPECT_EQ(specks.pixels()[i], 40);
    ++changed;
  }
  EXPECT_GT(changed, 0);
  EXPECT_LE(changed, 6 * 12 * 3);
}

TEST(DrawingConditionTest, ScanHas4000PixelsAndTheSameShape) {
  const Image scan = DrawUnder(DrawingCondition::kScan, Image(64, 32), 1);
  EXPECT_EQ(scan.width(), 4000);
  EXPECT_EQ(scan.height(), 2000);
}

TEST(DrawingConditionTest, PenColoursTheInkAlone) {
  const Image pens = Under("pens");
  EXPECT_THAT(PixelOf(pens, 2, 2), Each(255));
  const std::vector<int> ink = PixelOf(pens, 26, 20);
  EXPECT_GT(*std::max_element(ink.begin(), ink.end()) - *std::min_element(ink.begin(), ink.end()),
            100);
}

TEST(DrawingConditionTest, NegativeIsWhiteOnBlackAndBoardChalkOnGrey) {
  EXPECT_THAT(PixelOf(Under("negative"), 2, 2), Each(0));
  EXPECT_THAT(PixelOf(Under("negative"), 26, 20), Each(255));
  EXPECT_THAT(PixelOf(Under("board"), 2, 2), Each(60));
  EXPECT_GT(PixelOf(Under("board"), 26, 20)[0], 200);
}

TEST(DrawingConditionTest, SeedDecidesWhatIsRandom) {
  for (const std::string name : {"paper", "specks"}) {
    EXPECT_EQ(Under(name, 3).pixels(), Under(name, 3).pixels()) << name;
    EXPECT_NE(Under(name, 3).pixels(), Under(name, 4).pixels()) << name;
  }
}

TEST(DrawingConditionTest, UnknownNameListsTheKnownOnes) {
  EXPECT_THAT(ParseDrawingCondition("napkin"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("napkin"), HasSubstr("clean, paper, grey"))));
}

TEST(DrawingConditionTest, CopyOfADataSetHasItsSketchesChangedAndItsPhotosUnchanged) {
  const TempDir from, to;
  std::vector<DataSetImage> images;
  for (const auto modality : {v1::MODALITY_SKETCH, v1::MODALITY_PHOTO}) {
    DataSetImage image;
    image.path = modality == v1::MODALITY_SKETCH ? "sketch.png" : "photo.png";
    image.identity = "a";
    image.modality = modality;
    image.split = "test";
    std::ofstream(from.File(image.path), std::ios::binary) << *EncodePng(Sketch());
    images.push_back(image);
  }
  ASSERT_THAT(WriteDataSet(from.path(), {"bars", {}, "", ""}, images), IsOk());
  const std::string out = to.File("grey");
  ASSERT_THAT(WriteUnderCondition(*DataSet::Open(from.path()), DrawingCondition::kGrey, out),
              IsOk());
  const auto copy = DataSet::Open(out);
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ(copy->name(), "bars");
  ASSERT_EQ(copy->images().size(), 2u);
  EXPECT_EQ(copy->Read(copy->images()[0])->pixels(), Under("grey").pixels());
  EXPECT_EQ(copy->Read(copy->images()[1])->pixels(), Sketch().pixels());
}

}  // namespace
}  // namespace s2p::test
