#include "image/foreign_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/image/image_bytes.h"

namespace s2p::test {
namespace {

// The start of a file in the ISO base media format: its own brand, and the brands that it is
// compatible with.
std::string Ftyp(const std::string& brand, const std::string& compatible = "") {
  const auto bytes = static_cast<uint32_t>(16 + compatible.size());
  return absl::StrCat(Big(bytes, 4), "ftyp", brand, Big(0, 4), compatible);
}

TEST(ForeignFormatTest, MarkupIsNamedAfterAnyProlog) {
  for (const char* svg :
       {"<svg xmlns=''/>", "\xEF\xBB\xBF<svg/>", "\n \t<svg/>", "<?xml version='1.0'?><svg/>",
        "<?xml version='1.0'?>\n<!-- made by hand -->\n<!DOCTYPE svg PUBLIC ''>\n<svg/>",
        "<!-- <b> -->\n<SVG/>", "<svg><style>body{}</style><foreignObject><html/></svg>"}) {
    EXPECT_EQ(ForeignFormat(svg), "SVG") << svg;
  }
}

TEST(ForeignFormatTest, ErrorPagesAreNamed) {
  for (const char* html : {"<!DOCTYPE html><svg/>", "\xEF\xBB\xBF\r\n<HTML>", "<html><body>502",
                           "<!-- cached --><!doctype HTML>"}) {
    EXPECT_THAT(std::string(ForeignFormat(html)), testing::StartsWith("HTML")) << html;
  }
  EXPECT_THAT(std::string(ForeignFormat("{\"error\": 404}")), testing::StartsWith("JSON"));
  EXPECT_EQ(ForeignFormat("<?xml version='1.0'?><Error><Code>NoSuchKey"), "XML");
  EXPECT_EQ(ForeignFormat("error code: 502"), "text");
}

TEST(ForeignFormatTest, CompatibleBrandsCount) {
  EXPECT_EQ(ForeignFormat(Ftyp("mif1", "mif1heic")), "HEIC, a HEIF format");
  EXPECT_EQ(ForeignFormat(Ftyp("mif1", "miafavif")), "AVIF, a HEIF format");
  EXPECT_EQ(ForeignFormat(Ftyp("heix")), "HEIC, a HEIF format");
  EXPECT_EQ(ForeignFormat(Ftyp("mif1", "miaf")), "HEIF");
  EXPECT_EQ(ForeignFormat(Ftyp("isom", "mp41")), "MP4 video");
  EXPECT_EQ(ForeignFormat(Ftyp("qt  ")), "QuickTime video");
  EXPECT_EQ(ForeignFormat(Ftyp("crx ")), "Canon raw (CR3)");
}

TEST(ForeignFormatTest, BinaryFormatsAreNamedByTheirSignature) {
  const std::vector<std::pair<std::string, std::string>> kCases = {
      {"GIF87a", "GIF"},
      {"GIF89a", "GIF"},
      {absl::StrCat("BM", std::string(12, 'x'), Little(124, 4)), "BMP"},
      {absl::StrCat("II*", std::string(1, '\0'), Little(16, 4), "CR", Little(2, 2)),
       "Canon raw (CR2)"},
      {absl::StrCat("II+", std::string(1, '\0')), "BigTIFF"},
      {absl::StrCat("MM", Big(43, 2)), "BigTIFF"},
      {"8BPS", "Photoshop"},
      {Bytes({0xFF, 0x0A}), "JPEG XL"},
      {absl::StrCat(Big(12, 4), "JXL \r\n"), "JPEG XL"},
      {Bytes({0, 0, 1, 0, 1, 0}), "Windows icon"},
      {"qoif", "QOI"},
      {"P6\n3 2\n", "PNM"},
      {absl::StrCat(std::string(128, '\0'), "DICM"), "DICOM"},
      {absl::StrCat("RIFF", Little(9, 4), "AVI LIST"), "AVI video"},
      {"PK\x03\x04", "ZIP archive or office document"},
      {Bytes({0x1F, 0x8B, 8}), "gzip archive"},
      {Bytes({0x4C, 0, 0, 0, 1, 0x14, 2, 0}), "Windows shortcut"},
      {"data:image/png;base64,iVBOR", "data URL, which is text"},
      {"/9j/4AAQSkZJRg", "Base64 text of a JPEG image"},
      {Bytes({0xFF, 0xFE, 'h', 0, 'i', 0}), "UTF-16 text"}};
  for (const auto& [bytes, name] : kCases) EXPECT_EQ(ForeignFormat(bytes), name);
}

TEST(ForeignFormatTest, FilesOfAMacAreNamed) {
  EXPECT_THAT(std::string(ForeignFormat(Bytes({0, 5, 0x16, 7, 0, 2, 0, 0}))),
              testing::StartsWith("AppleDouble"));
  EXPECT_THAT(std::string(ForeignFormat(absl::StrCat(Bytes({0, 0, 0, 1}), "Bud1"))),
              testing::HasSubstr(".DS_Store"));
}

TEST(ForeignFormatTest, TextThatStartsLikeABitmapIsText) {
  EXPECT_EQ(ForeignFormat("BMW 320d, 2004, red, 180,000 km"), "text");
}

TEST(ForeignFormatTest, ZerosSayThatTheFileWasNotWritten) {
  EXPECT_THAT(std::string(ForeignFormat(std::string(10'000, '\0'))),
              testing::StartsWith("all zeros"));
}

TEST(ForeignFormatTest, PicturesAfterOtherBytesAreRecognised) {
  EXPECT_EQ(ForeignFormat("\xEF\xBB\xBF\n\xFF\xD8\xFF\xE0"), "other bytes precede the picture");
}

TEST(ForeignFormatTest, NoiseIsUnknown) {
  EXPECT_EQ(ForeignFormat(Bytes({0x93, 0x01, 0x44, 0xE7})), "unknown format");
}

// Every prefix of every signature, and empty bytes, must give an answer and never a crash.
TEST(ForeignFormatTest, ShortFilesAreRead) {
  const std::string start = absl::StrCat(Ftyp("heic", "mif1"), "<svg");
  for (size_t length = 0; length <= start.size(); ++length) {
    EXPECT_FALSE(ForeignFormat(start.substr(0, length)).empty());
  }
}

}  // namespace
}  // namespace s2p::test
