#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "image/image.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

std::string Encode(const char* extension, const cv::Mat& mat, std::vector<int> parameters = {}) {
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(cv::imencode(extension, mat, bytes, parameters));
  return std::string(bytes.begin(), bytes.end());
}

Image Decode(const std::string& bytes) {
  const auto image = DecodeImage(bytes);
  EXPECT_THAT(image, IsOk());
  return image.ok() ? *image : Image(1, 1);
}

std::vector<int> Pixel(const Image& image, int x, int y) {
  const uint8_t* pixel = image.row(y) + 3 * x;
  return {pixel[0], pixel[1], pixel[2]};
}

using testing::ElementsAre;

TEST(ImageDecodeTest, PngRoundTripIsExact) {
  Image image(5, 3);
  for (int y = 0; y < 3; ++y) {
    for (int i = 0; i < 15; ++i) image.row(y)[i] = static_cast<uint8_t>(17 * i + 60 * y);
  }
  const Image again = Decode(*EncodePng(image));
  EXPECT_EQ(again.width(), 5);
  EXPECT_TRUE(std::equal(image.pixels().begin(), image.pixels().end(), again.pixels().begin()));
}

TEST(ImageDecodeTest, GreyBecomesThreeEqualChannels) {
  EXPECT_THAT(Pixel(Decode(Encode(".png", cv::Mat(2, 2, CV_8UC1, cv::Scalar(77)))), 1, 1),
              ElementsAre(77, 77, 77));
  EXPECT_THAT(Pixel(Decode(Encode(".jpg", cv::Mat(8, 8, CV_8UC1, cv::Scalar(77)))), 3, 3),
              ElementsAre(77, 77, 77));
}

TEST(ImageDecodeTest, SixteenBitsBecomeEight) {
  const cv::Mat deep(2, 2, CV_16UC3, cv::Scalar(65535, 32768, 257));
  EXPECT_THAT(Pixel(Decode(Encode(".png", deep)), 0, 0), ElementsAre(1, 128, 255));
}

TEST(ImageDecodeTest, TransparentPixelsAreWhite) {
  cv::Mat mat(1, 3, CV_8UC4);
  mat.at<cv::Vec4b>(0, 0) = {0, 0, 0, 0};
  mat.at<cv::Vec4b>(0, 1) = {0, 0, 0, 128};
  mat.at<cv::Vec4b>(0, 2) = {10, 20, 30, 255};
  const Image image = Decode(Encode(".png", mat));
  EXPECT_THAT(Pixel(image, 0, 0), ElementsAre(255, 255, 255));
  EXPECT_THAT(Pixel(image, 1, 0), ElementsAre(127, 127, 127));
  EXPECT_THAT(Pixel(image, 2, 0), ElementsAre(30, 20, 10));
}

TEST(ImageDecodeTest, WebPIsRead) {
  const cv::Mat mat(6, 7, CV_8UC3, cv::Scalar(10, 20, 200));
  const Image image = Decode(Encode(".webp", mat, {cv::IMWRITE_WEBP_QUALITY, 101}));
  EXPECT_EQ(image.width(), 7);
  EXPECT_THAT(Pixel(image, 3, 3), ElementsAre(200, 20, 10));
}

// The positions of the four corners of an image for each of EXIF's orientations.
TEST(ImageDecodeTest, AllOrientationsAreHonoured) {
  cv::Mat stored(3 * 8, 2 * 8, CV_8UC3, cv::Scalar(255, 255, 255));
  // Top left red, top right green, bottom left blue.
  stored(cv::Rect(0, 0, 8, 8)).setTo(cv::Scalar(0, 0, 255));
  stored(cv::Rect(8, 0, 8, 8)).setTo(cv::Scalar(0, 255, 0));
  stored(cv::Rect(0, 16, 8, 8)).setTo(cv::Scalar(255, 0, 0));
  const std::string jpeg = Encode(".jpg", stored, {cv::IMWRITE_JPEG_QUALITY, 100});
  // Top left, top right, bottom left, bottom right as shown; W is white.
  const std::vector<std::string> shown = {"RGBW", "GRWB", "WBGR", "BWRG",
                                          "RBGW", "BRWG", "WGBR", "GWRB"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    std::string exif("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", 25);
    exif += static_cast<char>(orientation);
    exif += std::string("\0\0\0\0\0\0", 6);
    const size_t length = exif.size() + 2;
    const std::string segment = std::string("\xFF\xE1") + static_cast<char>(length >> 8) +
                                static_cast<char>(length & 0xFF) + exif;
    const std::string bytes = jpeg.substr(0, 2) + segment + jpeg.substr(2);
    const auto header = ReadImageHeader(bytes);
    ASSERT_THAT(header, IsOk());
    EXPECT_EQ(header->orientation, orientation);
    const Image image = Decode(bytes);
    EXPECT_EQ(image.width(), orientation >= 5 ? 24 : 16);
    EXPECT_EQ(header->width, image.width());
    std::string corners;
    for (const auto& [x, y] : {std::pair(3, 3),
                               {image.width() - 4, 3},
                               {3, image.height() - 4},
                               {image.width() - 4, image.height() - 4}}) {
      const auto rgb = Pixel(image, x, y);
      corners += rgb[0] > 128 && rgb[1] > 128 ? 'W' : rgb[0] > 128 ? 'R' : rgb[1] > 128 ? 'G' : 'B';
    }
    EXPECT_EQ(corners, shown[static_cast<size_t>(orientation - 1)]) << orientation;
  }
}

TEST(ImageDecodeTest, EveryTruncationIsRefused) {
  const cv::Mat noise(40, 40, CV_8UC3);
  cv::randu(noise, 0, 255);
  for (const char* extension : {".png", ".jpg", ".webp"}) {
    const std::string whole = Encode(extension, noise);
    for (int part = 0; part < 16; ++part) {
      const auto image = DecodeImage(absl::string_view(whole).substr(0, whole.size() * part / 16));
      EXPECT_THAT(image, StatusIs(absl::StatusCode::kInvalidArgument)) << extension << part;
    }
  }
}

// Damaged bytes give an error or an image of the size in the header, never a crash.
TEST(ImageDecodeTest, DamagedBytesNeverCrash) {
  cv::Mat noise(24, 24, CV_8UC3);
  cv::RNG rng(7);
  rng.fill(noise, cv::RNG::UNIFORM, 0, 255);
  for (const char* extension : {".png", ".jpg", ".webp"}) {
    const std::string whole = Encode(extension, noise);
    for (int i = 0; i < 500; ++i) {
      std::string damaged = whole;
      for (int k = 0; k < 3; ++k) {
        damaged[static_cast<size_t>(rng.uniform(0, static_cast<int>(whole.size())))] =
            static_cast<char>(rng.uniform(0, 256));
      }
      ImageLimits limits;
      limits.max_pixels = 1'000'000;
      const auto header = ReadImageHeader(damaged, limits);
      const auto image = DecodeImage(damaged, limits);
      if (!image.ok()) continue;
      ASSERT_THAT(header, IsOk());
      EXPECT_EQ(image->width(), header->width);
      EXPECT_EQ(image->height(), header->height);
    }
  }
}

}  // namespace
}  // namespace s2p::test
