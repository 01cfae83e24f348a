#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "image/image.h"
#include "tests/image/image_bytes.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::Big;
using test::Bytes;
using test::ExifTiff;
using test::IsOk;
using test::Jpeg;
using test::JpegExif;
using test::JpegSegment;
using test::kPngSignature;
using test::Little;
using test::Png;
using test::PngChunk;
using test::PngHeader;
using test::RiffChunk;
using test::StatusIs;
using test::WebP;
using test::WebPCanvas;
using test::WebPLosslessHeader;
using testing::HasSubstr;

void ExpectRefused(const std::string& bytes, const std::string& words,
                   const ImageLimits& limits = {}) {
  const auto header = ReadImageHeader(bytes, limits);
  ASSERT_FALSE(header.ok()) << "expected: " << words;
  EXPECT_THAT(header, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
}

void ExpectHeader(const std::string& bytes, ImageFormat format, int width, int height,
                  int orientation = 1) {
  const auto header = ReadImageHeader(bytes);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->format, format);
  EXPECT_EQ(header->width, width);
  EXPECT_EQ(header->height, height);
  EXPECT_EQ(header->orientation, orientation);
}

std::string SmallPng(absl::string_view extra = "") {
  return Png({3, 2, 8, 0}, {Bytes({0, 100, 200}), Bytes({10, 20, 30})}, extra);
}

// A JPEG with a segment directly after its first marker.
std::string JpegWith(const std::string& segment) {
  const std::string jpeg = Jpeg(8, 4, 1);
  return absl::StrCat(jpeg.substr(0, 2), segment, jpeg.substr(2));
}

TEST(ImageHeaderTest, JpegStatesItsSize) { ExpectHeader(Jpeg(8, 4, 3), ImageFormat::kJpeg, 8, 4); }

TEST(ImageHeaderTest, ProgressiveJpegStatesItsSize) {
  ExpectHeader(Jpeg(300, 200, 3, 0xC2), ImageFormat::kJpeg, 300, 200);
}

TEST(ImageHeaderTest, JpegMarkerMayBePaddedWithFf) {
  ExpectHeader(JpegWith(absl::StrCat(Bytes({0xFF, 0xFF}), JpegSegment(0xFE, "a comment"))),
               ImageFormat::kJpeg, 8, 4);
}

TEST(ImageHeaderTest, PngStatesItsSize) { ExpectHeader(SmallPng(), ImageFormat::kPng, 3, 2); }

TEST(ImageHeaderTest, LosslessWebPStatesItsSize) {
  ExpectHeader(WebP(WebPLosslessHeader(300, 7)), ImageFormat::kWebp, 300, 7);
}

TEST(ImageHeaderTest, LossyWebPStatesItsSizeWithoutTheScaleBits) {
  const std::string body = absl::StrCat(Bytes({0, 0, 0, 0x9D, 0x01, 0x2A}), Little(0x4000 | 300, 2),
                                        Little(0x8000 | 7, 2));
  ExpectHeader(WebP(RiffChunk("VP8 ", body)), ImageFormat::kWebp, 300, 7);
}

TEST(ImageHeaderTest, ExtendedWebPStatesItsSize) {
  ExpectHeader(WebP(absl::StrCat(WebPCanvas(300, 7, 0), WebPLosslessHeader(300, 7))),
               ImageFormat::kWebp, 300, 7);
}

TEST(ImageHeaderTest, OrientationOfAQuarterTurnSwapsTheSides) {
  ExpectHeader(JpegWith(JpegExif(ExifTiff(6))), ImageFormat::kJpeg, 4, 8, 6);
}

TEST(ImageHeaderTest, ExifIsReadInBothByteOrders) {
  ExpectHeader(JpegWith(JpegExif(ExifTiff(3, true))), ImageFormat::kJpeg, 8, 4, 3);
  ExpectHeader(JpegWith(JpegExif(ExifTiff(3, false))), ImageFormat::kJpeg, 8, 4, 3);
}

TEST(ImageHeaderTest, ExifIsReadInPngAndWebP) {
  ExpectHeader(SmallPng(PngChunk("eXIf", ExifTiff(8))), ImageFormat::kPng, 2, 3, 8);
  ExpectHeader(WebP(absl::StrCat(WebPCanvas(300, 7, 8), WebPLosslessHeader(300, 7),
                                 RiffChunk("EXIF", ExifTiff(5)))),
               ImageFormat::kWebp, 7, 300, 5);
}

TEST(ImageHeaderTest, OrientationOutOfRangeCountsAsNone) {
  for (const int orientation : {0, 9, 65535}) {
    ExpectHeader(JpegWith(JpegExif(ExifTiff(orientation))), ImageFormat::kJpeg, 8, 4, 1);
  }
}

TEST(ImageHeaderTest, ExifThatIsCutOffAnywhereCountsAsNone) {
  const std::string tiff = ExifTiff(6);
  // The last four bytes only say that no directory follows.
  for (size_t length = 0; length < tiff.size() - 4; ++length) {
    ExpectHeader(JpegWith(JpegExif(tiff.substr(0, length))), ImageFormat::kJpeg, 8, 4, 1);
  }
}

TEST(ImageHeaderTest, ExifWhoseDirectoryLiesOutsideCountsAsNone) {
  std::string tiff = ExifTiff(6);
  tiff.replace(4, 4, Little(0xFFFFFFFF, 4));
  ExpectHeader(JpegWith(JpegExif(tiff)), ImageFormat::kJpeg, 8, 4, 1);
}

TEST(ImageHeaderTest, EmptyIsRefused) { ExpectRefused("", "the image is empty"); }

TEST(ImageHeaderTest, OtherFormatsAreRefusedByName) {
  ExpectRefused(absl::StrCat("II*", std::string(61, '\0')), "TIFF");
  ExpectRefused(absl::StrCat("MM", Big(42, 2), std::string(60, '\0')), "TIFF");
  ExpectRefused("GIF89a and so on", "GIF");
  ExpectRefused(absl::StrCat("BM", std::string(12, '\0'), Little(40, 4)), "BMP");
  ExpectRefused("8BPS and so on", "Photoshop");
  ExpectRefused("%PDF-1.7", "PDF");
  ExpectRefused("\x76\x2F\x31\x01 and so on", "OpenEXR");
  ExpectRefused("<svg xmlns=''/>", "SVG");
  ExpectRefused(absl::StrCat(Big(12, 4), "jP  and so on"), "JPEG 2000");
  ExpectRefused(absl::StrCat(Big(24, 4), "ftypheic"), "HEIF");
  ExpectRefused("hello", "not a JPEG, PNG or WebP image (text)");
}

TEST(ImageHeaderTest, RiffThatIsNotWebPIsRefused) {
  ExpectRefused(RiffChunk("RIFF", "WAVEfmt and so on"), "not a JPEG, PNG or WebP image");
}

TEST(ImageHeaderTest, TooManyBytesAreRefused) {
  const std::string png = SmallPng();
  ImageLimits limits;
  limits.max_bytes = png.size();
  EXPECT_THAT(ReadImageHeader(png, limits), IsOk());
  limits.max_bytes = png.size() - 1;
  ExpectRefused(png, absl::StrCat("at most ", png.size() - 1, " are allowed"), limits);
}

TEST(ImageHeaderTest, PixelsAreAllowedUpToTheLimit) {
  ImageLimits limits;
  limits.max_pixels = 6;
  EXPECT_THAT(ReadImageHeader(SmallPng(), limits), IsOk());
  limits.max_pixels = 5;
  ExpectRefused(SmallPng(), "3 x 2 pixels; at most 5 pixels are allowed", limits);
}

TEST(ImageHeaderTest, HugeSizesAreRefusedInEachFormat) {
  ExpectRefused(Png({100'000, 100'000, 8, 0}, {Bytes({0})}), "100000 x 100000 pixels");
  ExpectRefused(Png({0xFFFFFFFF, 0xFFFFFFFF, 8, 0}, {Bytes({0})}), "at most 40000000 pixels");
  ExpectRefused(Jpeg(65'535, 65'535, 3), "65535 x 65535 pixels");
  ExpectRefused(WebP(WebPLosslessHeader(16'384, 16'384)), "16384 x 16384 pixels");
}

TEST(ImageHeaderTest, OverlongSideIsRefusedThoughThePixelsAreFew) {
  ExpectRefused(Png({65'536, 1, 1, 0}, {std::string(8192, '\0')}), "at most 65535 pixels per side");
  EXPECT_THAT(ReadImageHeader(Png({65'535, 1, 1, 0}, {std::string(8192, '\0')})), IsOk());
}

TEST(ImageHeaderTest, SizesOfZeroAreRefused) {
  ExpectRefused(Png({0, 5, 8, 0}, {}), "width or height is 0");
  ExpectRefused(Png({5, 0, 8, 0}, {}), "width or height is 0");
  ExpectRefused(Jpeg(0, 8, 1), "width or height is 0");
  ExpectRefused(Jpeg(8, 0, 1), "height after the scan (DNL)");
  ExpectRefused(WebP(RiffChunk("VP8 ", Bytes({0, 0, 0, 0x9D, 0x01, 0x2A, 0, 0, 7, 0}))),
                "width or height is 0");
}

TEST(ImageHeaderTest, EveryPrefixIsRefused) {
  const std::string webp = WebP(absl::StrCat(WebPCanvas(300, 7, 8), WebPLosslessHeader(300, 7),
                                             RiffChunk("EXIF", ExifTiff(5))));
  for (const std::string& whole : {SmallPng(), JpegWith(JpegExif(ExifTiff(6))), webp}) {
    ASSERT_THAT(ReadImageHeader(whole), IsOk());
    for (size_t length = 0; length < whole.size(); ++length) {
      const auto header = ReadImageHeader(whole.substr(0, length));
      EXPECT_THAT(header, StatusIs(absl::StatusCode::kInvalidArgument)) << length;
    }
  }
}

TEST(ImageHeaderTest, CutOffImagesAreDistinguishedFromOthers) {
  const std::string png = SmallPng(), jpeg = Jpeg(8, 4, 1);
  ExpectRefused(png.substr(0, png.size() - 1), "the PNG image ends early");
  ExpectRefused(jpeg.substr(0, jpeg.size() - 1), "the JPEG image ends early");
  const std::string webp = WebP(WebPLosslessHeader(3, 2));
  ExpectRefused(webp.substr(0, webp.size() - 1), "the WebP image ends early");
}

TEST(ImageHeaderTest, BytesAfterTheEndAreAllowed) {
  ExpectHeader(SmallPng() + "more", ImageFormat::kPng, 3, 2);
  ExpectHeader(Jpeg(8, 4, 1) + "more", ImageFormat::kJpeg, 8, 4);
  ExpectHeader(WebP(WebPLosslessHeader(3, 2)) + "more", ImageFormat::kWebp, 3, 2);
}

TEST(ImageHeaderTest, JpegOfARareKindIsRefused) {
  ExpectRefused(Jpeg(8, 4, 1, 0xC3), "lossless JPEG images are not supported");
  ExpectRefused(Jpeg(8, 4, 1, 0xC5), "hierarchical JPEG images are not supported");
  ExpectRefused(Jpeg(8, 4, 1, 0xC9), "arithmetic coding are not supported");
  ExpectRefused(Jpeg(8, 4, 1, 0xCF), "hierarchical JPEG images are not supported");
}

TEST(ImageHeaderTest, DamagedJpegMarkersAreRefused) {
  const std::string start = Bytes({0xFF, 0xD8});
  ExpectRefused(absl::StrCat(start, Bytes({0xFF, 0xE0}), Big(1, 2), "........"),
                "a segment without a length");
  ExpectRefused(JpegWith("no marker"), "not a JPEG");
  ExpectRefused(absl::StrCat(start, JpegSegment(0xC0, "12345")), "frame header is too short");
  const std::string frame =
      JpegSegment(0xC0, absl::StrCat(Bytes({8}), Big(4, 2), Big(4, 2), "...."));
  ExpectRefused(absl::StrCat(start, frame, frame), "more than one frame header");
  ExpectRefused(absl::StrCat(start, Jpeg(8, 4, 1)), "another one starts inside it");
  ExpectRefused(absl::StrCat(start, JpegSegment(0xDA, "123"), Bytes({0xFF, 0xD9})),
                "no frame header");
}

TEST(ImageHeaderTest, ImpossiblePngHeadersAreRefused) {
  for (const auto& [depth, color] : {std::pair(3, 0), {16, 3}, {4, 2}, {8, 1}, {8, 7}, {0, 0}}) {
    ExpectRefused(Png({3, 2, depth, color}, {}), "PNG image's header is damaged");
  }
}

TEST(ImageHeaderTest, PngWithoutHeaderOrPixelsIsRefused) {
  const std::string end = PngChunk("IEND", "");
  ExpectRefused(absl::StrCat(kPngSignature, end), "has no header");
  ExpectRefused(absl::StrCat(kPngSignature, PngChunk("IHDR", PngHeader({3, 2, 8, 0})), end),
                "has no pixels");
}

TEST(ImageHeaderTest, AnimatedWebPIsRefused) {
  ExpectRefused(WebP(absl::StrCat(WebPCanvas(3, 2, 2), RiffChunk("ANIM", std::string(6, '\0')))),
                "animated WebP images are not supported");
}

TEST(ImageHeaderTest, ContradictoryWebPIsRefused) {
  ExpectRefused(WebP(absl::StrCat(WebPCanvas(300, 7, 0), WebPLosslessHeader(7, 300))),
                "contradicts itself about its size");
  ExpectRefused(WebP(RiffChunk("VP8L", Bytes({0, 0, 0, 0, 0}))), "frame header is damaged");
  ExpectRefused(WebP(RiffChunk("VP8X", "short")), "header is damaged");
  ExpectRefused(WebP(RiffChunk("EXIF", ExifTiff(1))), "has no pixels");
}

// `jpeg` with `extra` before its end marker.
std::string BeforeEnd(const std::string& jpeg, absl::string_view extra) {
  const size_t end = jpeg.size() - 2;
  return absl::StrCat(jpeg.substr(0, end), extra, jpeg.substr(end));
}

std::string Scans(int count) {
  const std::string scan = absl::StrCat(JpegSegment(0xDA, Bytes({1, 1, 0, 0, 63, 0})), Bytes({0}));
  std::string scans;
  for (int i = 0; i < count; ++i) scans += scan;
  return scans;
}

int ScansOf(const std::string& bytes) {
  const auto header = ReadImageHeader(bytes);
  EXPECT_THAT(header, IsOk());
  return header.ok() ? header->scans : 0;
}

TEST(ImageHeaderTest, EveryScanOfAJpegIsCounted) {
  const std::string jpeg = Jpeg(8, 4, 1, 0xC2);
  EXPECT_EQ(ScansOf(jpeg), 1);
  const std::string between = absl::StrCat(
      Scans(2), Bytes({0xFF, 0xD3, 0, 0xFF, 0x00, 7}), JpegSegment(0xC4, "table"),
      JpegSegment(0xDD, "12"), JpegSegment(0xFE, "a comment"), Bytes({0xFF, 0xFF}), Scans(1));
  EXPECT_EQ(ScansOf(BeforeEnd(jpeg, between)), 4);
}

TEST(ImageHeaderTest, ScansInMetadataAndAfterTheEndAreNotCounted) {
  const std::string thumbnail = JpegSegment(0xE2, BeforeEnd(Jpeg(8, 4, 1), Scans(200)));
  EXPECT_EQ(ScansOf(JpegWith(thumbnail)), 1);
  EXPECT_EQ(ScansOf(BeforeEnd(Jpeg(8, 4, 1), thumbnail)), 1);
  EXPECT_EQ(ScansOf(absl::StrCat(Jpeg(8, 4, 1), Scans(200))), 1);
}

TEST(ImageHeaderTest, JpegWithMoreThanAHundredScansIsRefused) {
  const std::string jpeg = Jpeg(8, 4, 1, 0xC2);
  EXPECT_EQ(ScansOf(BeforeEnd(jpeg, Scans(99))), 100);
  ExpectRefused(BeforeEnd(jpeg, Scans(100)), "the JPEG image has more than 100 scans");
  ExpectRefused(BeforeEnd(jpeg, Scans(100'000)), "the JPEG image has more than 100 scans");
}

TEST(ImageHeaderTest, PixelsOfAllScansTogetherAreLimited) {
  const std::string jpeg = Jpeg(8'000, 5'000, 1, 0xC2);
  EXPECT_EQ(ScansOf(BeforeEnd(jpeg, Scans(49))), 50);
  ExpectRefused(BeforeEnd(jpeg, Scans(50)),
                "40000000 pixels in 51 scans; at most 2000000000 in all scans together");
}

TEST(ImageHeaderTest, PngOfTooManyChunksIsRefused) {
  const std::string chunk = PngChunk("tEXt", "");
  std::string chunks;
  // Besides these, a PNG has three.
  for (int i = 0; i < 99'997; ++i) chunks += chunk;
  EXPECT_THAT(ReadImageHeader(SmallPng(chunks)), IsOk());
  ExpectRefused(SmallPng(chunks + chunk), "the PNG image has more than 100000 chunks");
}

TEST(ImageHeaderTest, WebPOfTooManyChunksIsRefused) {
  std::string chunks = WebPLosslessHeader(3, 2);
  for (int i = 0; i < 999; ++i) chunks += RiffChunk("XMP ", "");
  EXPECT_THAT(ReadImageHeader(WebP(chunks)), IsOk());
  ExpectRefused(WebP(chunks + RiffChunk("XMP ", "")), "the WebP image has more than 1000 chunks");
}

TEST(ImageHeaderTest, WebPWithFramesButWithoutTheAnimationFlagIsRefused) {
  ExpectRefused(WebP(absl::StrCat(WebPCanvas(3, 2, 0), RiffChunk("ANMF", std::string(24, '\0')))),
                "several frames");
}

TEST(ImageHeaderTest, FormatThatPeopleBringIsRefusedWithAWayOut) {
  ExpectRefused(absl::StrCat(Big(24, 4), "ftypheic"),
                "(HEIC, a HEIF format): save it as one of these first");
}

// Bytes that decoding takes beyond the file, for each pixel, of a picture of 12 megapixels.
double BytesPerPixel(const std::string& bytes) {
  const auto header = ReadImageHeader(bytes);
  EXPECT_THAT(header, IsOk());
  if (!header.ok()) return 0;
  const double pixels = double{1} * header->width * header->height;
  return (static_cast<double>(header->decode_bytes) - static_cast<double>(bytes.size())) / pixels;
}

TEST(ImageHeaderTest, CostIsThatOfTheFormat) {
  constexpr double kRows = 0.15;
  EXPECT_NEAR(BytesPerPixel(Jpeg(4'000, 3'000, 3)), 3, kRows);
  EXPECT_NEAR(BytesPerPixel(Jpeg(4'000, 3'000, 1, 0xC2)), 5, kRows);
  EXPECT_NEAR(BytesPerPixel(Jpeg(4'000, 3'000, 3, 0xC2)), 9, kRows);
  EXPECT_NEAR(BytesPerPixel(Png({4'000, 3'000, 16, 6}, {})), 3, kRows);
  EXPECT_NEAR(BytesPerPixel(WebP(WebPLosslessHeader(4'000, 3'000))), 7, kRows);
}

TEST(ImageHeaderTest, WebPWithAlphaCostsTheSameWhateverItsFlagSays) {
  const std::string picture =
      absl::StrCat(RiffChunk("ALPH", "a"),
                   RiffChunk("VP8 ", absl::StrCat(Bytes({0, 0, 0, 0x9D, 0x01, 0x2A}),
                                                  test::Little(4'000, 2), test::Little(3'000, 2))));
  const double marked = BytesPerPixel(WebP(absl::StrCat(WebPCanvas(4'000, 3'000, 16), picture)));
  EXPECT_GT(marked, 5);
  EXPECT_EQ(BytesPerPixel(WebP(absl::StrCat(WebPCanvas(4'000, 3'000, 0), picture))), marked);
}

TEST(ImageHeaderTest, TurningCostsACopyOnlyOfPicturesThatAreDecodedWhole) {
  constexpr double kRows = 0.15;
  const std::string turned = JpegExif(ExifTiff(6));
  const std::string jpeg = Jpeg(4'000, 3'000, 3);
  EXPECT_NEAR(BytesPerPixel(absl::StrCat(jpeg.substr(0, 2), turned, jpeg.substr(2))), 3, kRows);
  EXPECT_NEAR(
      BytesPerPixel(WebP(absl::StrCat(WebPCanvas(4'000, 3'000, 8), WebPLosslessHeader(4'000, 3'000),
                                      RiffChunk("EXIF", ExifTiff(6))))),
      10, kRows);
}

// Header bytes changed at random, several thousand times, always give an answer, never a crash, and
// never a size beyond the limits.
TEST(ImageHeaderTest, RandomChangesGiveAHeaderOrAnError) {
  std::mt19937 random(20240229);
  const std::string samples[] = {
      SmallPng(PngChunk("eXIf", ExifTiff(8))), JpegWith(JpegExif(ExifTiff(6, false))),
      WebP(absl::StrCat(WebPCanvas(300, 7, 8), WebPLosslessHeader(300, 7),
                        RiffChunk("EXIF", ExifTiff(5)))),
      WebP(RiffChunk("VP8 ", Bytes({0, 0, 0, 0x9D, 0x01, 0x2A, 9, 0, 7, 0})))};
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = samples[round % 4];
    for (uint32_t n = random() % 6; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 256);
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    const auto header = ReadImageHeader(bytes);
    if (!header.ok()) {
      ASSERT_THAT(header, StatusIs(absl::StatusCode::kInvalidArgument));
      ASSERT_FALSE(header.status().message().empty());
      continue;
    }
    ++read;
    ASSERT_GT(header->width, 0);
    ASSERT_GT(header->height, 0);
    ASSERT_LE(int64_t{header->width} * header->height, ImageLimits().max_pixels);
  }
  EXPECT_GT(read, 1000);
}

TEST(ImageHeaderTest, ContentTypesAreTheRegisteredOnes) {
  EXPECT_EQ(ContentType(ImageFormat::kJpeg), "image/jpeg");
  EXPECT_EQ(ContentType(ImageFormat::kPng), "image/png");
  EXPECT_EQ(ContentType(ImageFormat::kWebp), "image/webp");
}

}  // namespace
}  // namespace s2p
