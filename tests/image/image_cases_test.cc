// Pictures as other programs write them, in tests/data/images: each reproduces a kind of problem
// that users of image software reported.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "image/image.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

std::string Load(const std::string& name) {
  std::ifstream file(absl::StrCat(S2P_SOURCE_DIR, "/tests/data/images/", name), std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

Image Decode(const std::string& name) {
  const auto image = DecodeImage(Load(name));
  EXPECT_THAT(image, IsOk()) << name << ": " << image.status();
  return image.ok() ? *image : Image(1, 1);
}

// Mean absolute difference of the samples.
double Difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width(), b.width());
  EXPECT_EQ(a.height(), b.height());
  if (a.pixels().size() != b.pixels().size() || a.empty()) return 255;
  double sum = 0;
  for (size_t i = 0; i < a.pixels().size(); ++i) sum += std::abs(a.pixels()[i] - b.pixels()[i]);
  return sum / static_cast<double>(a.pixels().size());
}

Image Grey(Image image) {
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) {
      uint8_t* pixel = image.row(y) + 3 * x;
      const double grey = 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
      pixel[0] = pixel[1] = pixel[2] = static_cast<uint8_t>(grey + 0.5);
    }
  }
  return image;
}

// `file` shows what `like` shows, in grey if `grey`, within this mean difference.
struct Shown {
  const char* file;
  const char* like;
  double tolerance;
  bool grey = false;
};

void PrintTo(const Shown& shown, std::ostream* out) { *out << shown.file; }

class ImageCasesShownTest : public testing::TestWithParam<Shown> {};

TEST_P(ImageCasesShownTest, LooksLikeItsReference) {
  const Image reference = Decode(GetParam().like);
  EXPECT_LT(Difference(Decode(GetParam().file), GetParam().grey ? Grey(reference) : reference),
            GetParam().tolerance);
}

constexpr char kPicture[] = "exif_1.png";
INSTANTIATE_TEST_SUITE_P(
    Jpeg, ImageCasesShownTest,
    testing::Values(
        Shown{"cmyk_adobe.jpg", kPicture, 12}, Shown{"ycck_adobe2.jpg", kPicture, 12},
        Shown{"gray.jpg", kPicture, 6, true}, Shown{"progressive.jpg", kPicture, 6},
        Shown{"trailing_garbage.jpg", kPicture, 6}, Shown{"mpo_second_image.jpg", kPicture, 6},
        Shown{"junk_zero_between_segments.jpg", kPicture, 6},
        Shown{"fill_ff_before_marker.jpg", kPicture, 6}, Shown{"com_empty.jpg", kPicture, 6},
        Shown{"junk_at_end_of_scan.jpg", kPicture, 6}, Shown{"big_icc_180k.jpg", kPicture, 6},
        Shown{"exif_after_xmp.jpg", kPicture, 6}, Shown{"exif_bad_offset.jpg", kPicture, 6},
        Shown{"exif_long_type.jpg", kPicture, 6}, Shown{"exif_orientation_9.jpg", kPicture, 6},
        Shown{"exif_twice_first_6_then_1.jpg", kPicture, 6}));

INSTANTIATE_TEST_SUITE_P(
    Png, ImageCasesShownTest,
    testing::Values(Shown{"png_c0_d16_i0.png", "png_c0_d8_i0.png", 1},
                    Shown{"png_c2_d16_i0.png", "png_c2_d8_i0.png", 1},
                    Shown{"png_c6_d16_i0.png", "png_c6_d8_i0.png", 1},
                    Shown{"png_c4_d16_i0.png", "png_c4_d8_i0.png", 1},
                    Shown{"png_trailing.png", kPicture, 0.01},
                    Shown{"png_empty_idat.png", kPicture, 0.01},
                    Shown{"png_idat_split_1_byte.png", kPicture, 0.01},
                    Shown{"apng.png", kPicture, 0.01},
                    Shown{"png_bad_ancillary_crc.png", kPicture, 0.01},
                    Shown{"trns_rgb16_black_ground.png", "trns_rgb8_black_ground.png", 1},
                    Shown{"trns_palette.png", "trns_rgb8_black_ground.png", 0.01},
                    Shown{"trns_gray8_black_ground.png", "trns_rgb8_black_ground.png", 5, true}));

INSTANTIATE_TEST_SUITE_P(WebP, ImageCasesShownTest,
                         testing::Values(Shown{"icc.webp", kPicture, 6},
                                         Shown{"webp_trailing.webp", kPicture, 6},
                                         Shown{"lossy_alpha.webp", "lossless_alpha.webp", 9}));

TEST(ImageCasesTest, EveryOrientationLooksAlikeInEachFormat) {
  const Image reference = Decode(kPicture);
  for (const char* format : {"jpg", "png", "webp"}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const std::string name = absl::StrCat("exif_", orientation, ".", format);
      EXPECT_LT(Difference(Decode(name), reference), 6) << name;
    }
  }
}

TEST(ImageCasesTest, InterlacedPngsLookLikeTheOthers) {
  for (const char* kind : {"c0_d1", "c0_d2", "c0_d4", "c0_d8", "c0_d16", "c2_d8", "c2_d16", "c3_d1",
                           "c3_d2", "c3_d4", "c3_d8", "c4_d8", "c4_d16", "c6_d8", "c6_d16"}) {
    const std::string stem = absl::StrCat("png_", kind);
    EXPECT_EQ(Difference(Decode(stem + "_i1.png"), Decode(stem + "_i0.png")), 0) << kind;
  }
}

TEST(ImageCasesTest, TransparentGreyIsWhiteThoughTheInkIsNearlyAsDark) {
  const Image image = Decode("trns_gray8_key1_under_black_ink.png");
  EXPECT_EQ(image.row(0)[0], 255);
  EXPECT_TRUE(std::any_of(image.pixels().begin(), image.pixels().end(),
                          [](uint8_t sample) { return sample == 0; }));
}

TEST(ImageCasesTest, SidesAreAllowedToDifferALot) {
  EXPECT_EQ(Decode("20000_by_one.png").width(), 20'000);
  EXPECT_EQ(Decode("one_by_20000.png").height(), 20'000);
  EXPECT_EQ(Decode("one_pixel.png").width(), 1);
  EXPECT_EQ(Decode("one_pixel.webp").width(), 1);
}

struct Refused {
  const char* file;
  const char* words;
};

void PrintTo(const Refused& refused, std::ostream* out) { *out << refused.file; }

class ImageCasesRefusedTest : public testing::TestWithParam<Refused> {};

TEST_P(ImageCasesRefusedTest, SaysWhatItIs) {
  const auto image = DecodeImage(Load(GetParam().file));
  EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(GetParam().words)));
}

INSTANTIATE_TEST_SUITE_P(
    Damaged, ImageCasesRefusedTest,
    testing::Values(
        Refused{"cut_in_half.jpg", "ends early"}, Refused{"missing_eoi.jpg", "ends early"},
        Refused{"twelve_bit.jpg", "12 bits per sample"},
        Refused{"lossless_sof3.jpg", "lossless JPEG"},
        Refused{"arithmetic.jpg", "arithmetic coding"}, Refused{"zero_height.jpg", "height"},
        Refused{"zero_width.jpg", "width"}, Refused{"png_bad_idat_crc.png", "damaged"},
        Refused{"png_no_iend.png", "ends early"}, Refused{"png_zero_width.png", "width"},
        Refused{"png_bomb_30000.png", "30000 x 30000"}, Refused{"png_cgbi_iphone.png", "CgBI"},
        Refused{"animated.webp", "animated"}, Refused{"webp_cut.webp", "ends early"},
        Refused{"is_empty.jpg", "empty"}));

INSTANTIATE_TEST_SUITE_P(
    OtherFormats, ImageCasesRefusedTest,
    testing::Values(Refused{"is_gif.jpg", "(GIF)"}, Refused{"is_bmp.png", "(BMP)"},
                    Refused{"is_tiff.jpg", "(TIFF"}, Refused{"is_pdf.jpg", "(PDF)"},
                    Refused{"is_ico.png", "(Windows icon)"}, Refused{"is_svg.png", "(SVG)"},
                    Refused{"is_html.jpg", "(HTML"}, Refused{"is_text.jpg", "(text)"},
                    Refused{"is_jxl.jpg", "(JPEG XL)"},
                    Refused{"is_jp2_codestream.jpg", "(JPEG 2000)"},
                    Refused{"is_git_lfs_pointer.jpg", "(Git LFS pointer"},
                    Refused{"is_mp4.jpg", "(MP4 video)"}, Refused{"is_heic.jpg", "(HEIC"},
                    Refused{"is_avif.jpg", "(AVIF"}));

}  // namespace
}  // namespace s2p::test
