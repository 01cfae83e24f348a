#include "trainer/data/batch_loader.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/drawn_images.h"
#include "trainer/data/augmentation.h"

namespace s2p::test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

using BatchLoaderTest = DrawnImagesTest;

// Photos and sketches of batches of three, every change on.
std::vector<BatchLoader::Parts> Batches(const PreparedImages& images, int count) {
  std::vector<BatchLoader::Parts> batches;
  uint64_t seed = 0;
  for (int b = 0; b < count; ++b) {
    std::vector<LoadItem> photos, sketches;
    for (int i = 0; i < 3; ++i) {
      photos.push_back(
          {&images, (b + i) % images.size(), v1::MODALITY_PHOTO, ++seed, i == 0, true});
      sketches.push_back(
          {&images, (b * 2 + i) % images.size(), v1::MODALITY_SKETCH, ++seed, i == 0, true});
    }
    batches.push_back({photos, sketches});
  }
  return batches;
}

std::vector<std::vector<float>> Pixels(BatchLoader& loader, int batches) {
  std::vector<std::vector<float>> all;
  for (int b = 0; b < batches; ++b) {
    const auto parts = loader.Next();
    EXPECT_THAT(parts, IsOk());
    for (const LoadedBatch& part : *parts) all.push_back(part.pixels);
  }
  EXPECT_TRUE(loader.Next()->empty()) << "nothing comes after the last";
  return all;
}

TEST_F(BatchLoaderTest, NumberOfWorkersChangesNothing) {
  const auto images = Load(8);
  BatchLoader alone(Everything(), Batches(*images, 12), 0);
  const auto want = Pixels(alone, 12);
  ASSERT_EQ(want.size(), 24u);
  for (const int workers : {1, 4, 50}) {
    BatchLoader loader(Everything(), Batches(*images, 12), workers);
    EXPECT_EQ(Pixels(loader, 12), want) << workers;
  }
}

TEST_F(BatchLoaderTest, PartsHaveTheirShape) {
  const auto images = Load(3);
  BatchLoader loader(Everything(), Batches(*images, 1), 1);
  const std::vector<LoadedBatch> parts = *loader.Next();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].n, 3);
  EXPECT_EQ(parts[0].height, kHeight);
  EXPECT_EQ(parts[0].width, kWidth);
  EXPECT_EQ(parts[0].pixels.size(), 3u * 3 * kHeight * kWidth);
}

TEST_F(BatchLoaderTest, WithoutAugmentationItIsThePreparedImageNormalised) {
  const auto images = Load(2);
  BatchLoader loader(Everything(), {{{{images.get(), 1, v1::MODALITY_PHOTO, 5, true, true}}}}, 1,
                     /*augment=*/false);
  std::vector<float> want(images->preprocessor().size());
  images->preprocessor().Normalize(*images->Read(1), absl::MakeSpan(want));
  EXPECT_EQ((*loader.Next())[0].pixels, want);
}

TEST_F(BatchLoaderTest, EndsInTheMiddleOfItsWork) {
  const auto images = Load(4);
  for (const int taken : {0, 1, 5}) {
    BatchLoader loader(Everything(), Batches(*images, 40), 3);
    for (int i = 0; i < taken; ++i) EXPECT_EQ(loader.Next()->size(), 2u);
  }
}

TEST_F(BatchLoaderTest, FirstBrokenImageIsNamedWhateverTheThreads) {
  Write(7);
  Break(2);
  Break(5);
  for (const int threads : {1, 4}) {
    const auto images = PreparedImages::Load(*Open(), Open()->images(), Preprocessing(), threads);
    EXPECT_THAT(images, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(Name(2))));
  }
}

TEST_F(BatchLoaderTest, AllowedShareIsLeftOutAndTheOthersKeepTheirOrder) {
  const auto whole = Load(8);
  Break(2);
  Break(5);
  UnreadableImages unreadable;
  unreadable.allowed_share = 0.25;
  const auto images =
      PreparedImages::Load(*Open(), Open()->images(), Preprocessing(), 2, {}, &unreadable);
  ASSERT_THAT(images, IsOk());
  EXPECT_THAT(unreadable.left_out, ElementsAre(2u, 5u));
  EXPECT_THAT(unreadable.first_error, HasSubstr(Name(2)));
  ASSERT_EQ((*images)->size(), 6);
  EXPECT_EQ((*images)->Read(2)->pixels(), whole->Read(3)->pixels());
  EXPECT_EQ((*images)->Read(5)->pixels(), whole->Read(7)->pixels());
}

TEST_F(BatchLoaderTest, MoreThanTheShareIsRefusedWithTheNumber) {
  Write(8);
  for (int i = 0; i < 3; ++i) Break(i);
  UnreadableImages unreadable;
  unreadable.allowed_share = 0.25;
  const auto images =
      PreparedImages::Load(*Open(), Open()->images(), Preprocessing(), 2, {}, &unreadable);
  EXPECT_THAT(std::string(images.status().message()),
              AllOf(HasSubstr("3 of 8 images cannot be read"), HasSubstr(Name(0))));
}

TEST_F(BatchLoaderTest, GreyImagesKeepOneByteAPixelAndGiveTheSameFloats) {
  constexpr int kCount = 6;
  const Preprocessor grey = Preprocessing(/*grey=*/true);
  Write(kCount);
  const auto data_set = Open();
  const auto images = PreparedImages::Load(*data_set, data_set->images(), grey, 2);
  ASSERT_THAT(images, IsOk());
  EXPECT_EQ((*images)->bytes().size(), size_t{kCount} * kWidth * kHeight);
  const auto batches = Batches(**images, 20);
  for (const bool augment : {false, true}) {
    BatchLoader loader(Everything(), batches, 2, augment);
    for (const auto& parts : batches) {
      const auto loaded = loader.Next();
      ASSERT_THAT(loaded, IsOk());
      for (size_t part = 0; part < parts.size(); ++part) {
        std::vector<float> want;
        for (const LoadItem& item : parts[part]) {
          // Three bytes a pixel, from the picture on.
          Image image = grey.Prepare(*data_set->Read(data_set->images()[item.index]));
          if (augment) {
            image =
                Augment(Everything(), {item.seed, item.modality, item.mirror, item.paired}, image);
          }
          want.resize(want.size() + grey.size());
          grey.Normalize(image, absl::MakeSpan(want).last(grey.size()));
        }
        EXPECT_EQ((*loaded)[part].pixels, want);
      }
    }
  }
}

TEST_F(BatchLoaderTest, ColourImagesKeepThreeBytesAPixel) {
  EXPECT_EQ(Load(4)->bytes().size(), 4u * kWidth * kHeight * 3);
}

TEST_F(BatchLoaderTest, LoadingEndsSoonAfterItIsStopped) {
  Write(60);
  for (const int threads : {1, 4}) {
    int64_t done = 0;
    const auto images = PreparedImages::Load(
        *Open(), Open()->images(), Preprocessing(), threads,
        [&](int64_t now, int64_t) { done = now; }, nullptr, [&] { return done >= 10; });
    EXPECT_THAT(images.status(), StatusIs(absl::StatusCode::kCancelled));
    EXPECT_EQ(done, 10) << "those that had begun are not reported any more";
  }
}

class AugmentTest : public DrawnImagesTest {
 protected:
  // The image changed by this field alone.
  static Image With(const std::string& field, double value, const AugmentationChoice& choice,
                    const Image& image) {
    v1::TrainingSpec::AugmentationSpec spec;
    spec.GetReflection()->SetDouble(&spec, spec.GetDescriptor()->FindFieldByName(field), value);
    return Augment(spec, choice, image);
  }
  static bool Same(const Image& a, const Image& b) { return a.pixels() == b.pixels(); }
};

TEST_F(AugmentTest, NothingSetChangesNothing) {
  const Image image = Drawn(1);
  EXPECT_TRUE(Same(Augment({}, {7, v1::MODALITY_SKETCH}, image), image));
}

TEST_F(AugmentTest, EqualChoicesGiveEqualPixelsAndOtherSeedsOthers) {
  const Image image = Drawn(1);
  const Image a = Augment(Everything(), {7, v1::MODALITY_SKETCH}, image);
  EXPECT_TRUE(Same(a, Augment(Everything(), {7, v1::MODALITY_SKETCH}, image)));
  EXPECT_FALSE(Same(a, Augment(Everything(), {8, v1::MODALITY_SKETCH}, image)));
  EXPECT_EQ(a.width(), image.width());
  EXPECT_EQ(a.height(), image.height());
}

TEST_F(AugmentTest, MirrorIsExact) {
  const Image image = Drawn(1);
  const Image mirrored = Augment({}, {7, v1::MODALITY_PHOTO, /*mirror=*/true}, image);
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      EXPECT_EQ(mirrored.row(y)[3 * x], image.row(y)[3 * (image.width() - 1 - x)]);
    }
  }
}

TEST_F(AugmentTest, FlipIsForSourcePhotosAndNotForPairs) {
  const Image image = Drawn(1);
  const AugmentationChoice source{7, v1::MODALITY_PHOTO, false, false};
  const AugmentationChoice paired{7, v1::MODALITY_PHOTO, false, true};
  EXPECT_FALSE(Same(With("flip", 1, source, image), image));
  EXPECT_TRUE(Same(With("flip", 1, paired, image), image));
}

TEST_F(AugmentTest, WarpIsForSketches) {
  const Image image = Drawn(1);
  EXPECT_FALSE(Same(With("warp", 0.1, {7, v1::MODALITY_SKETCH}, image), image));
  EXPECT_TRUE(Same(With("warp", 0.1, {7, v1::MODALITY_PHOTO}, image), image));
}

TEST_F(AugmentTest, ErasedPartIsWhiteInASketch) {
  Image black(20, 20);
  for (int y = 0; y < 20; ++y) std::fill_n(black.row(y), 60, uint8_t{0});
  int white = 0;
  const Image erased = With("erase", 1, {7, v1::MODALITY_SKETCH}, black);
  for (const uint8_t value : erased.pixels()) {
    EXPECT_TRUE(value == 0 || value == 255);
    white += value == 255 ? 1 : 0;
  }
  EXPECT_GE(white, 3 * 2 * 2) << "sides of 10 % at least";
  EXPECT_LE(white, 3 * 8 * 8) << "and 40 % at most";
}

TEST_F(AugmentTest, OutsideASketchIsWhiteAndOutsideAPhotoIsItsEdge) {
  Image grey(20, 20);
  for (int y = 0; y < 20; ++y) std::fill_n(grey.row(y), 60, uint8_t{90});
  const Image photo = With("crop_padding", 0.5, {3, v1::MODALITY_PHOTO}, grey);
  EXPECT_TRUE(Same(photo, grey));
  const Image sketch = With("crop_padding", 0.5, {3, v1::MODALITY_SKETCH}, grey);
  EXPECT_THAT(sketch.pixels(), testing::Contains(255));
}

TEST_F(AugmentTest, ReleaseMovesBlackInFromOutsideEitherModality) {
  Image grey(20, 20);
  for (int y = 0; y < 20; ++y) std::fill_n(grey.row(y), 60, uint8_t{90});
  for (const auto modality : {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH}) {
    const AugmentationChoice choice{3, modality, false, false, AugmentationStyle::kRelease};
    EXPECT_THAT(With("crop_padding", 0.5, choice, grey).pixels(), Each(AnyOf(0, 90)));
    EXPECT_THAT(With("crop_padding", 0.5, choice, grey).pixels(), testing::Contains(0));
    EXPECT_THAT(With("rotation_degrees", 45, choice, grey).pixels(), testing::Contains(0));
  }
}

// The release pads all sides by the same number of pixels.
TEST_F(AugmentTest, ReleasePadsByAShareOfTheLongerSide) {
  Image tall(40, 400);
  for (int y = 0; y < 400; ++y) std::fill_n(tall.row(y), 120, uint8_t{90});
  const auto widest_shift = [&](AugmentationStyle style) {
    int widest = 0;
    for (uint64_t seed = 0; seed < 60; ++seed) {
      const Image shifted =
          With("crop_padding", 0.05, {seed, v1::MODALITY_SKETCH, false, false, style}, tall);
      int outside = 0;
      for (int x = 0; x < 40; ++x) outside += shifted.row(200)[3 * x] != 90 ? 1 : 0;
      widest = std::max(widest, outside);
    }
    return widest;
  };
  EXPECT_EQ(widest_shift(AugmentationStyle::kOwn), 2);
  EXPECT_GT(widest_shift(AugmentationStyle::kRelease), 15);
}

TEST_F(BatchLoaderTest, AugmentsInTheStyleThatItIsGiven) {
  const auto images = Load(1);
  v1::TrainingSpec::AugmentationSpec spec;
  spec.set_crop_padding(0.5);
  const auto pixels = [&](AugmentationStyle style) {
    BatchLoader loader(spec, {{{{images.get(), 0, v1::MODALITY_PHOTO, 3, false, true}}}}, 0,
                       /*augment=*/true, style);
    return (*loader.Next())[0].pixels;
  };
  const float black = (0 - 0.5F) / 0.25F;
  EXPECT_THAT(pixels(AugmentationStyle::kRelease), testing::Contains(black));
  EXPECT_NE(pixels(AugmentationStyle::kRelease), pixels(AugmentationStyle::kOwn));
}

}  // namespace
}  // namespace s2p::test
