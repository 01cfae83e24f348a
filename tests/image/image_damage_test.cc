// Damaged pictures are told apart from those that other programs merely wrote oddly.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "image/image.h"
#include "tests/image/image_bytes.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

const std::string kEndOfJpeg = Bytes({0xFF, 0xD9});

std::string Encode(const char* extension, const std::vector<int>& parameters = {}) {
  cv::Mat noise(48, 64, CV_8UC3);
  cv::RNG rng(5);
  rng.fill(noise, cv::RNG::UNIFORM, 0, 255);
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(cv::imencode(extension, noise, bytes, parameters));
  return std::string(bytes.begin(), bytes.end());
}

std::string Progressive() { return Encode(".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, 1}); }

// The start of a JPEG's first scan.
size_t FirstScan(const std::string& jpeg) { return jpeg.find(Bytes({0xFF, 0xDA})); }

void ExpectRefused(const std::string& bytes, const std::string& words = "") {
  const auto image = DecodeImage(bytes);
  EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
}

void ExpectShown(const std::string& bytes, const std::string& like) {
  const auto image = DecodeImage(bytes);
  ASSERT_THAT(image, IsOk());
  const auto reference = DecodeImage(like);
  ASSERT_THAT(reference, IsOk());
  EXPECT_TRUE(image->pixels() == reference->pixels());
}

// Cuts the file anywhere in its scans and closes it with an end marker.
void ExpectEveryCutRefused(const std::string& jpeg) {
  ASSERT_THAT(DecodeImage(jpeg), IsOk());
  const size_t start = FirstScan(jpeg) + 20;
  for (int part = 0; part < 32; ++part) {
    const size_t length = start + (jpeg.size() - 16 - start) * part / 32;
    SCOPED_TRACE(length);
    ExpectRefused(jpeg.substr(0, length) + kEndOfJpeg, "the JPEG image");
  }
}

TEST(ImageDamageTest, JpegThatWasCutAndClosedAgainIsRefused) {
  ExpectEveryCutRefused(Encode(".jpg"));
  ExpectEveryCutRefused(Encode(".jpg", {cv::IMWRITE_JPEG_RST_INTERVAL, 2}));
}

TEST(ImageDamageTest, ProgressiveJpegThatWasCutAndClosedAgainIsRefused) {
  ExpectEveryCutRefused(Progressive());
}

TEST(ImageDamageTest, ProgressiveJpegWithoutItsLastScanIsRefused) {
  const std::string jpeg = Progressive();
  const size_t last_scan = jpeg.rfind(Bytes({0xFF, 0xDA}));
  ExpectRefused(jpeg.substr(0, last_scan) + kEndOfJpeg, "ends early");
}

TEST(ImageDamageTest, JpegWithoutTheScanOfAComponentIsRefused) {
  const std::string one = Bytes({0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0, 0});
  const std::string two = Bytes({0xFF, 0xDA, 0, 8, 1, 2, 0, 0, 63, 0, 0});
  const std::string three = Bytes({0xFF, 0xDA, 0, 8, 1, 3, 0, 0, 63, 0, 0});
  const std::string jpeg = Jpeg(8, 8, 3);
  const std::string head = jpeg.substr(0, FirstScan(jpeg));
  ExpectShown(absl::StrCat(head, one, two, three, kEndOfJpeg), jpeg);
  ExpectRefused(absl::StrCat(head, one, two, kEndOfJpeg), "ends early");
}

TEST(ImageDamageTest, CutJpegBeforeAWholeOneIsRefused) {
  const std::string jpeg = Encode(".jpg");
  ExpectRefused(jpeg.substr(0, jpeg.size() / 2) + jpeg, "ends early");
}

TEST(ImageDamageTest, JpegWithAHoleOfZerosIsRefused) {
  std::string jpeg = Encode(".jpg");
  jpeg.replace(jpeg.size() / 2, jpeg.size() / 4, jpeg.size() / 4, '\0');
  ExpectRefused(jpeg);
}

TEST(ImageDamageTest, StrayBytesBetweenJpegSegmentsAreSkipped) {
  const std::string jpeg = Encode(".jpg");
  for (const std::string& stray :
       {Bytes({0}), Bytes({0, 0, 0}), std::string("junk"), Bytes({0xFF, 0}), Bytes({0xFF, 0xFF}),
        Bytes({0xFF, 0x01}), Bytes({0xFF, 0xD3})}) {
    const size_t tables = jpeg.find(Bytes({0xFF, 0xDB}));
    ExpectShown(absl::StrCat(jpeg.substr(0, tables), stray, jpeg.substr(tables)), jpeg);
  }
}

TEST(ImageDamageTest, PaddingAfterAScanIsSkipped) {
  const std::string jpeg = Encode(".jpg");
  ExpectShown(absl::StrCat(jpeg.substr(0, jpeg.size() - 2), std::string(60, '\0'), kEndOfJpeg),
              jpeg);
}

TEST(ImageDamageTest, OddParametersOfASequentialScanAreIgnored) {
  std::string jpeg = Encode(".jpg");
  const size_t last_coefficient = FirstScan(jpeg) + 12;
  ASSERT_EQ(jpeg[last_coefficient], 63);
  std::string odd = jpeg;
  odd[last_coefficient] = 0;
  ExpectShown(odd, jpeg);
}

TEST(ImageDamageTest, UnknownJfifVersionIsIgnored) {
  const std::string jpeg = Encode(".jpg");
  std::string odd = jpeg;
  odd[jpeg.find("JFIF") + 5] = 3;
  ExpectShown(odd, jpeg);
}

TEST(ImageDamageTest, JpegWithoutHuffmanTablesGetsTheStandardOnes) {
  const std::string jpeg = Encode(".jpg");
  std::string bare = jpeg;
  for (size_t at; (at = bare.find(Bytes({0xFF, 0xC4}))) < FirstScan(bare);) {
    const size_t length =
        static_cast<uint8_t>(bare[at + 2]) << 8 | static_cast<uint8_t>(bare[at + 3]);
    bare.erase(at, 2 + length);
  }
  ASSERT_LT(bare.size(), jpeg.size());
  ExpectShown(bare, jpeg);
}

TEST(ImageDamageTest, TrailerInPlaceOfTheEndMarkerIsSkipped) {
  const std::string jpeg = Encode(".jpg");
  const std::string trailer = absl::StrCat(Bytes({0xFF, 0x02}), "SEFT of a camera", kEndOfJpeg);
  ExpectShown(jpeg.substr(0, jpeg.size() - 2) + trailer, jpeg);
}

TEST(ImageDamageTest, JpegWithThousandsOfScansIsRefusedImmediately) {
  std::vector<uint8_t> blank;
  ASSERT_TRUE(cv::imencode(".jpg", cv::Mat::zeros(64, 64, CV_8UC1), blank,
                           {cv::IMWRITE_JPEG_PROGRESSIVE, 1}));
  const std::string jpeg(blank.begin(), blank.end());
  const size_t last = jpeg.rfind(Bytes({0xFF, 0xDA}));
  const std::string scan = jpeg.substr(last, jpeg.size() - 2 - last);
  std::string many = jpeg.substr(0, last);
  for (int i = 0; i < 3'000; ++i) many += scan;
  ExpectRefused(many + kEndOfJpeg, "more than 100 scans");
}

// Two rows of a grey PNG of one row, which is two bytes too few.
TEST(ImageDamageTest, PngWhosePixelsEndEarlyIsRefused) {
  ExpectRefused(Png({1, 2, 8, 0}, {Bytes({7})}), "ends early");
}

std::string GreyPng(absl::string_view stream, absl::string_view extra = "") {
  return absl::StrCat(kPngSignature, PngChunk("IHDR", PngHeader({2, 1, 8, 0})), extra,
                      PngChunk("IDAT", stream), PngChunk("IEND", ""));
}

const std::string kStream = ZlibStored(Bytes({0, 7, 9}));

TEST(ImageDamageTest, PngWhoseChecksumContradictsItsPixelsIsRefused) {
  std::string stream = kStream;
  stream.back() = static_cast<char>(stream.back() ^ 1);
  ExpectRefused(GreyPng(stream), "damaged");
}

TEST(ImageDamageTest, PngWithMorePixelsThanItNeedsIsShown) {
  ExpectShown(GreyPng(ZlibStored(Bytes({0, 7, 9, 0, 1, 2}))), GreyPng(kStream));
  ExpectShown(GreyPng(kStream + "more"), GreyPng(kStream));
}

TEST(ImageDamageTest, PngWithADamagedTransparentColourIsRefused) {
  std::string key = PngChunk("tRNS", Big(7, 2));
  ASSERT_THAT(DecodeImage(GreyPng(kStream, key)), IsOk());
  key.back() = static_cast<char>(key.back() ^ 1);
  ExpectRefused(GreyPng(kStream, key), "damaged");
}

TEST(ImageDamageTest, PngMetadataMayBeLargeOrDamaged) {
  const std::string large =
      PngChunk("tEXt", absl::StrCat("Comment", std::string(1, '\0'), std::string(8'200'000, 'x')));
  ExpectShown(GreyPng(kStream, large), GreyPng(kStream));
  std::string damaged = PngChunk("zTXt", "no stream");
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  ExpectShown(GreyPng(kStream, damaged), GreyPng(kStream));
  ExpectShown(GreyPng(kStream, PngChunk("iCCP", "no profile")), GreyPng(kStream));
}

TEST(ImageDamageTest, MissingPaletteEntriesAreBlack) {
  const std::string palette = PngChunk("PLTE", Bytes({9, 8, 7}));
  const auto image = DecodeImage(Png({2, 1, 8, 3}, {Bytes({0, 200})}, palette));
  ASSERT_THAT(image, IsOk());
  EXPECT_THAT(image->pixels(), testing::ElementsAre(9, 8, 7, 0, 0, 0));
}

// One sample has the transparent colour, the other differs in the lowest bit that the depth has.
TEST(ImageDamageTest, TransparentGreyIsExactAtEveryDepth) {
  struct Case {
    int depth;
    std::string row;
    int ink;
  };
  for (const Case& c :
       {Case{1, Bytes({0x40}), 0}, Case{2, Bytes({0x60}), 170}, Case{4, Bytes({0x12}), 34},
        Case{8, Bytes({1, 2}), 2}, Case{16, Bytes({0, 1, 0, 0}), 0}}) {
    const std::string key = PngChunk("tRNS", Big(1, 2));
    // The row begins with the key at every depth but 1, where the first pixel is the ink.
    const auto image = DecodeImage(Png({2, 1, c.depth, 0}, {c.row}, key));
    ASSERT_THAT(image, IsOk());
    const int first = c.depth == 1 ? c.ink : 255, second = c.depth == 1 ? 255 : c.ink;
    EXPECT_THAT(image->pixels(), testing::ElementsAre(first, first, first, second, second, second))
        << c.depth;
  }
}

TEST(ImageDamageTest, TransparentColourIsExactInSixteenBits) {
  const std::string key = PngChunk("tRNS", Bytes({0, 0, 0, 0, 0, 0}));
  const auto image =
      DecodeImage(Png({2, 1, 16, 2}, {Bytes({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})}, key));
  ASSERT_THAT(image, IsOk());
  EXPECT_THAT(image->pixels(), testing::ElementsAre(255, 255, 255, 0, 0, 0));
}

TEST(ImageDamageTest, OrientationAfterThePixelsOfAPngIsIgnored) {
  const std::string before = GreyPng(kStream, PngChunk("eXIf", ExifTiff(6)));
  const std::string end = PngChunk("IEND", "");
  const std::string plain = GreyPng(kStream);
  const std::string behind =
      absl::StrCat(plain.substr(0, plain.size() - end.size()), PngChunk("eXIf", ExifTiff(6)), end);
  EXPECT_EQ(ReadImageHeader(before)->orientation, 6);
  EXPECT_EQ(ReadImageHeader(behind)->orientation, 1);
}

TEST(ImageDamageTest, WebPWhosePictureIsShorterThanItsChunkIsRefused) {
  const std::string webp = Encode(".webp", {cv::IMWRITE_WEBP_QUALITY, 80});
  const std::string stream = webp.substr(20, (webp.size() - 20) / 2);
  ExpectRefused(WebP(RiffChunk("VP8 ", stream)), "damaged");
}

}  // namespace
}  // namespace s2p::test
