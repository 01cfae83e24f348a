#include "image/preprocessor.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

constexpr int kSide = 64;

// A black rectangle on white.
Image Drawn(int left, int top, int width, int height) {
  Image image(kSide, kSide, 255);
  for (int y = top; y < top + height; ++y) {
    std::fill_n(image.row(y) + left * Image::kChannels, width * Image::kChannels, uint8_t{0});
  }
  return image;
}

bool IsInk(const Image& image, int x, int y) { return image.row(y)[x * Image::kChannels] < 128; }

v1::Preprocessing Plain() {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(32);
  preprocessing.set_width(32);
  preprocessing.set_filter(v1::RESIZE_FILTER_BILINEAR);
  for (int channel = 0; channel < Image::kChannels; ++channel) {
    preprocessing.add_mean(0.5f);
    preprocessing.add_std(0.5f);
  }
  return preprocessing;
}

Preprocessor Fitting() {
  v1::Preprocessing preprocessing = Plain();
  preprocessing.set_fit(true);
  return *Preprocessor::Create(preprocessing);
}

// Edges of pictures of at most `work_size` pixels, 0 for no limit.
Preprocessor Edges(uint32_t work_size) {
  v1::Preprocessing preprocessing = Plain();
  preprocessing.set_edges(true);
  preprocessing.set_thicken(1);
  preprocessing.set_work_size(work_size);
  return *Preprocessor::Create(preprocessing);
}

// Stripes of two grey levels.
Image Striped(int width, int height) {
  Image image(width, height, 230);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      if ((x + 2 * y) / 8 % 2 == 0) std::fill_n(image.row(y) + 3 * x, 3, uint8_t{40});
    }
  }
  return image;
}

TEST(FitToInkTest, InkIsCentredInASquareWithAMarginOfASixteenth) {
  const Image fitted = FitToInk(Drawn(3, 40, 32, 16));
  // 32 and twice 2.
  ASSERT_EQ(fitted.width(), 36);
  ASSERT_EQ(fitted.height(), 36);
  for (int y = 0; y < 36; ++y) {
    for (int x = 0; x < 36; ++x) {
      EXPECT_EQ(IsInk(fitted, x, y), x >= 2 && x < 34 && y >= 10 && y < 26) << x << "," << y;
    }
  }
}

TEST(FitToInkTest, SingleDotIsFound) {
  const Image fitted = FitToInk(Drawn(63, 0, 1, 1));
  ASSERT_EQ(fitted.width(), 3);
  EXPECT_TRUE(IsInk(fitted, 1, 1));
  EXPECT_FALSE(IsInk(fitted, 0, 0));
}

TEST(FitToInkTest, ImageWithoutInkIsUnchanged) {
  // JPEG leaves white ground a few levels below 255.
  const Image ground(kSide, 20, 240);
  EXPECT_EQ(FitToInk(ground).pixels(), ground.pixels());
  EXPECT_EQ(FitToInk(ground).height(), 20);
}

TEST(FitToInkTest, ThinInkIsReducedBeforeItsSquareIsMade) {
  // The square around all of it would have 16 GB.
  const Image longest = FitToInk(Image(65535, 16, 0));
  EXPECT_EQ(longest.width(), 2048 + 2 * 128);
  EXPECT_EQ(longest.height(), longest.width());
  // A single row of it is left.
  EXPECT_EQ(*longest.row(1151), 255);
  EXPECT_EQ(longest.row(1151)[3 * 1152], 0);
  EXPECT_EQ(FitToInk(Image(300, 2401, 0)).height(), 2048 + 2 * 128);
}

TEST(FitToInkTest, InkEightTimesAsLongAsWideKeepsItsPixels) {
  EXPECT_EQ(FitToInk(Image(2400, 300, 0)).width(), 2400 + 2 * 150);
}

TEST(FitToInkTest, SquareHasAtMost40Megapixels) {
  // Exactly eight times as long as wide: the square around all of it would have 254 MB.
  const Image longest = FitToInk(Image(8192, 1024, 0));
  EXPECT_EQ(longest.width(), 6324);
  EXPECT_EQ(longest.height(), 6324);
  EXPECT_LE(longest.width() * longest.height(), 40'000'000);
  // The part has 5,622 x 703 pixels, and lies in columns 351 to 5,972 and rows 2,810 to 3,512.
  EXPECT_EQ(longest.row(2809)[3 * 351], 255);
  EXPECT_EQ(longest.row(2810)[3 * 350], 255);
  EXPECT_EQ(longest.row(2810)[3 * 351], 0);
  EXPECT_EQ(longest.row(3512)[3 * 5972], 0);
  EXPECT_EQ(longest.row(3513)[3 * 5972], 255);
  EXPECT_EQ(FitToInk(Image(703, 5623, 0)).width(), 6324);
}

TEST(FitToInkTest, LargestPartWhoseSquareIsAllowedKeepsItsPixels) {
  Image stripes(5622, 703, 0);
  for (int x = 1; x < 5622; x += 2) {
    for (int y = 0; y < 703; ++y) std::fill_n(stripes.row(y) + 3 * x, 3, uint8_t{200});
  }
  const Image fitted = FitToInk(stripes);
  ASSERT_EQ(fitted.width(), 6324);
  for (int y = 0; y < 703; ++y) {
    const uint8_t* row = fitted.row(2810 + y) + 3 * 351;
    ASSERT_TRUE(std::equal(row, row + 3 * 5622, stripes.row(y))) << y;
  }
}

TEST(FitToInkTest, ImageFullOfInkGetsAMargin) {
  const Image fitted = FitToInk(Image(32, 32, 0));
  EXPECT_EQ(fitted.width(), 36);
  EXPECT_FALSE(IsInk(fitted, 0, 0));
  EXPECT_TRUE(IsInk(fitted, 2, 2));
}

TEST(PreprocessorTest, FittingMakesPositionAndSizeIrrelevant) {
  const Preprocessor fitting = Fitting();
  const Image here = fitting.Prepare(Drawn(0, 0, 32, 16));
  EXPECT_EQ(fitting.Prepare(Drawn(20, 41, 32, 16)).pixels(), here.pixels());
  const Image smaller = fitting.Prepare(Drawn(40, 8, 16, 8));
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      EXPECT_NEAR(smaller.row(y)[x * 3], here.row(y)[x * 3], 64) << x << "," << y;
    }
  }
}

TEST(ReduceTest, LongerSideIsTheOneAskedForAndTheAspectRatioStays) {
  const Image wide = Reduce(Striped(400, 100), 64);
  EXPECT_EQ(wide.width(), 64);
  EXPECT_EQ(wide.height(), 16);
  EXPECT_EQ(Reduce(Striped(3, 4000), 16).width(), 1);
  EXPECT_EQ(wide.pixels(), Resize(Striped(400, 100), 64, 16).pixels());
}

TEST(ReduceTest, ImageThatIsNoLargerIsUnchanged) {
  EXPECT_EQ(Reduce(Striped(64, 30), 64).pixels(), Striped(64, 30).pixels());
}

TEST(PreprocessorTest, LargePictureHasTheEdgesThatItHasAtTheWorkSize) {
  const Image large = Striped(256, 192);
  const Image prepared = Edges(64).Prepare(large);
  EXPECT_EQ(prepared.pixels(), Edges(0).Prepare(Reduce(large, 64)).pixels());
  EXPECT_NE(prepared.pixels(), Edges(0).Prepare(large).pixels());
}

TEST(PreprocessorTest, PictureUpToTheWorkSizeIsPreparedAsWithoutOne) {
  EXPECT_EQ(Edges(64).Prepare(Striped(64, 64)).pixels(),
            Edges(0).Prepare(Striped(64, 64)).pixels());
}

TEST(PreprocessorTest, WorkSizeIsThatOfTheFittedPicture) {
  v1::Preprocessing preprocessing = Plain();
  preprocessing.set_fit(true);
  preprocessing.set_thicken(2);
  const Preprocessor without = *Preprocessor::Create(preprocessing);
  // The ink of 32 pixels becomes a square of 36, in a picture of 64.
  preprocessing.set_work_size(36);
  const Preprocessor with = *Preprocessor::Create(preprocessing);
  const Image drawn = Drawn(3, 20, 32, 32);
  EXPECT_EQ(with.Prepare(drawn).pixels(), without.Prepare(drawn).pixels());
}

TEST(PreprocessorTest, WorkSizeOutOfRangeIsRefused) {
  for (const uint32_t work_size : {1u, 15u, 4097u}) {
    v1::Preprocessing preprocessing = Plain();
    preprocessing.set_work_size(work_size);
    EXPECT_THAT(Preprocessor::Create(preprocessing),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               testing::HasSubstr("work_size: must be 0, or 16 to 4096")));
  }
}

// Columns whose red value is their number.
Image Numbered(int width, int height) {
  Image image(width, height, 0);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) image.row(y)[x * 3] = static_cast<uint8_t>(x);
  }
  return image;
}

TEST(ResizeAndCropTest, HalfAMarginIsRoundedToTheEvenNeighbour) {
  const std::pair<int, int> first_columns[] = {{33, 0}, {34, 1}, {35, 2},
                                               {37, 2}, {39, 4}, {41, 4}};
  for (const auto& [width, first] : first_columns) {
    const Image middle = ResizeAndCrop(Numbered(width, 32), 32, 32, 32);
    EXPECT_EQ(int{middle.row(0)[0]}, first) << width;
  }
}

TEST(ResizeAndCropTest, IsTheMiddleOfTheWholeResize) {
  const Image image = Striped(100, 60);
  for (const auto filter :
       {v1::RESIZE_FILTER_BILINEAR, v1::RESIZE_FILTER_BICUBIC, v1::RESIZE_FILTER_LANCZOS}) {
    const Image whole = Resize(image, 66, 40, filter);
    const Image middle = ResizeAndCrop(image, 40, 32, 36, filter);
    ASSERT_EQ(middle.width(), 32);
    ASSERT_EQ(middle.height(), 36);
    for (int y = 0; y < 36; ++y) {
      EXPECT_TRUE(std::equal(middle.row(y), middle.row(y) + 32 * 3, whole.row(y + 2) + 17 * 3));
    }
  }
}

// Its whole resize would have 16 billion pixels.
TEST(ResizeAndCropTest, ThinImageCostsNoMoreThanAnother) {
  const Image middle = ResizeAndCrop(Image(60000, 1, 90), 512, 512, 512);
  EXPECT_EQ(middle.pixels(), Image(512, 512, 90).pixels());
}

TEST(PreprocessorTest, ResizeFirstCropsBeforeGrey) {
  v1::Preprocessing preprocessing = Plain();
  preprocessing.set_resize_shorter(40);
  preprocessing.set_grey(true);
  preprocessing.set_resize_first(true);
  const Image image = Striped(100, 60);
  EXPECT_EQ(Preprocessor::Create(preprocessing)->Prepare(image).pixels(),
            ToGrey(ResizeAndCrop(image, 40, 32, 32)).pixels());
}

TEST(PreprocessorTest, ShorterSideOutsideTheRangeIsNamed) {
  v1::Preprocessing preprocessing = Plain();
  for (const uint32_t shorter : {1u, 31u, 4097u}) {
    preprocessing.set_resize_shorter(shorter);
    EXPECT_THAT(Preprocessor::Create(preprocessing),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               testing::HasSubstr("resize_shorter: must be 0, or from")));
  }
  for (const uint32_t shorter : {32u, 4096u}) {
    preprocessing.set_resize_shorter(shorter);
    EXPECT_THAT(Preprocessor::Create(preprocessing), test::IsOk());
  }
}

// As written before there were work_size and measured_ground.
TEST(PreprocessorTest, ManifestWithoutAWorkSizeMeansEdgesAtFullSize) {
  v1::Preprocessing preprocessing;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(
                  R"({"height": 96, "width": 96, "grey": true, "edges": true, "thicken": 1,
                      "filter": "RESIZE_FILTER_BILINEAR", "mean": [0.485, 0.456, 0.406],
                      "std": [0.229, 0.224, 0.225], "resizeFirst": false, "fit": true})",
                  &preprocessing)
                  .ok());
  const auto old = Preprocessor::Create(preprocessing);
  ASSERT_THAT(old, test::IsOk());
  const Image large = Striped(700, 500);
  const Image steps = Thicken(ToGrey(InvertedEdges(FitToInk(large))), 1);
  EXPECT_EQ(old->Prepare(large).pixels(), Resize(steps, 96, 96).pixels());
}

TEST(PreprocessorTest, WithoutFittingThePositionMatters) {
  const Image left = Drawn(0, 0, 32, 16), right = Drawn(20, 41, 32, 16);
  EXPECT_NE(Resize(left, 32, 32, v1::RESIZE_FILTER_BILINEAR).pixels(),
            Resize(right, 32, 32, v1::RESIZE_FILTER_BILINEAR).pixels());
}

}  // namespace
}  // namespace s2p
