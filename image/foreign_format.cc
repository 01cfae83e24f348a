#include "image/foreign_format.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace s2p {
namespace {

using absl::string_view;

constexpr size_t kLookedAtBytes = 4096;

struct Signature {
  size_t offset;
  string_view bytes;
  string_view name;
};

// The first match wins.
constexpr Signature kSignatures[] = {
    {8, {"CR\2\0", 4}, "Canon raw (CR2)"},
    {0, {"II*\0", 4}, "TIFF or camera raw"},
    {0, {"MM\0*", 4}, "TIFF or camera raw"},
    {0, {"II+\0", 4}, "BigTIFF"},
    {0, {"MM\0+", 4}, "BigTIFF"},
    {0, {"IIU\0", 4}, "Panasonic raw"},
    {0, "IIRO", "Olympus raw"},
    {0, "IIRS", "Olympus raw"},
    {0, "MMOR", "Olympus raw"},
    {0, "FUJIFILMCCD-RAW", "Fujifilm raw"},
    {0, "FOVb", "Sigma raw"},
    {0, "II\xBC", "JPEG XR"},
    {0, "GIF87a", "GIF"},
    {0, "GIF89a", "GIF"},
    {0, "8BPS", "Photoshop"},
    {0, "gimp xcf", "GIMP"},
    {0, "%PDF", "PDF"},
    {0, "%!PS", "PostScript"},
    {0, "\xC5\xD0\xD3\xC6", "PostScript (EPS)"},
    {0, "\x76\x2F\x31\x01", "OpenEXR"},
    {0, "#?RADIANCE", "Radiance HDR"},
    {0, "#?RGBE", "Radiance HDR"},
    {0, {"\0\0\0\x0CjP  ", 8}, "JPEG 2000"},
    {0, "\xFF\x4F\xFF\x51", "JPEG 2000"},
    {0, {"\0\0\0\x0CJXL ", 8}, "JPEG XL"},
    {0, "\xFF\x0A", "JPEG XL"},
    {0, {"\0\0\1\0", 4}, "Windows icon"},
    {0, {"\0\0\2\0", 4}, "Windows cursor"},
    {0, "\x8AMNG\r\n\x1A\n", "MNG"},
    {0, "\x8BJNG\r\n\x1A\n", "JNG"},
    {0, "qoif", "QOI"},
    {0, "DDS ", "DirectDraw surface"},
    {0, "\xABKTX", "KTX texture"},
    {0, "SIMPLE  =", "FITS"},
    {128, "DICM", "DICOM"},
    {0, "\xD7\xCD\xC6\x9A", "Windows metafile"},
    {40, " EMF", "Windows metafile"},
    {0, "AT&TFORM", "DjVu"},
    {8, "AVI ", "AVI video"},
    {8, "WAVE", "WAV sound"},
    {0, "\x1A\x45\xDF\xA3", "Matroska or WebM video"},
    {0, "FLV\1", "Flash video"},
    {0, "OggS", "Ogg"},
    {0, "ID3", "MP3 sound"},
    {0, "PK\3\4", "ZIP archive or office document"},
    {0, "\x1F\x8B", "gzip archive"},
    {0, "BZh", "bzip2 archive"},
    {0, {"\xFD\x37zXZ\0", 6}, "xz archive"},
    {0, "\x28\xB5\x2F\xFD", "Zstandard archive"},
    {0, "7z\xBC\xAF\x27\x1C", "7-Zip archive"},
    {0, "Rar!", "RAR archive"},
    {0, "\xD0\xCF\x11\xE0", "old office document or Thumbs.db"},
    {0, {"\x4C\0\0\0\x01\x14\x02\0", 8}, "Windows shortcut"},
    {0, {"\0\5\x16\7", 4}, "AppleDouble (metadata of a file from a Mac, not the file itself)"},
    {0, {"\0\5\x16\0", 4}, "AppleSingle"},
    {0, {"book\0\0\0\0mark", 12}, "Mac alias"},
    {0, "bplist00", "Apple property list"},
    {0, {"\0\0\0\1Bud1", 8}, "Mac folder settings (.DS_Store)"},
    {0, "version https://git-lfs", "Git LFS pointer: the file itself was not fetched"},
    {0, "data:", "data URL, which is text"},
    {0, "/9j/", "Base64 text of a JPEG image"},
    {0, "iVBORw0KGgo", "Base64 text of a PNG image"},
    {0, "UklGR", "Base64 text, perhaps of a WebP image"},
    {0, "\x89PNG", "PNG damaged by a transfer as text"},
    {0, "RIFF", "RIFF"},
};

// Brands of the ISO base media format, the more specific ones first.
struct Brand {
  string_view brand, name;
};
constexpr Brand kBrands[] = {
    {"avif", "AVIF, a HEIF format"},
    {"avis", "AVIF, a HEIF format"},
    {"heic", "HEIC, a HEIF format"},
    {"heix", "HEIC, a HEIF format"},
    {"heim", "HEIC, a HEIF format"},
    {"heis", "HEIC, a HEIF format"},
    {"hevc", "HEIC, a HEIF format"},
    {"hevx", "HEIC, a HEIF format"},
    {"mif1", "HEIF"},
    {"msf1", "HEIF"},
    {"crx ", "Canon raw (CR3)"},
    {"jpx ", "JPEG 2000"},
    {"qt  ", "QuickTime video"},
    {"3gp4", "3GPP video"},
};

// The file lists its own brand, a version, and the brands that it is compatible with.
string_view NameByBrand(string_view bytes) {
  const size_t box_bytes = static_cast<uint8_t>(bytes[2]) << 8 | static_cast<uint8_t>(bytes[3]);
  const string_view box = bytes.substr(0, std::max<size_t>(box_bytes, 12));
  for (const Brand& known : kBrands) {
    for (size_t at = 8; at + 4 <= box.size(); at += at == 8 ? 8 : 4) {
      if (box.substr(at, 4) == known.brand) return known.name;
    }
  }
  return "MP4 video";
}

bool Fits(const Signature& signature, string_view bytes) {
  return bytes.size() >= signature.offset &&
         absl::StartsWith(bytes.substr(signature.offset), signature.bytes);
}

string_view NameBySignature(string_view bytes) {
  for (const Signature& signature : kSignatures) {
    if (Fits(signature, bytes)) return signature.name;
  }
  return "";
}

// Many texts begin with "BM", so the size of the second header must be one of these, too.
bool IsBmp(string_view bytes) {
  if (bytes.size() < 18 || !absl::StartsWith(bytes, "BM")) return false;
  const string_view size = bytes.substr(14, 4);
  for (const uint8_t known : {12, 16, 40, 52, 56, 64, 108, 124}) {
    if (static_cast<uint8_t>(size[0]) == known && size.substr(1) == string_view("\0\0\0", 3)) {
      return true;
    }
  }
  return false;
}

bool IsNetpbm(string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
         absl::ascii_isspace(static_cast<unsigned char>(bytes[2]));
}

// Markup is identified by its first known element, after any comments, prologs and styles.
string_view Markup(string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  struct Element {
    string_view start, name;
  };
  constexpr Element kElements[] = {
      {"<svg", "SVG"},
      {"<!doctype svg", "SVG"},
      {"<html", "HTML, perhaps an error page saved as a picture"},
      {"<!doctype html", "HTML, perhaps an error page saved as a picture"},
      {"<head", "HTML, perhaps an error page saved as a picture"},
      {"<body", "HTML, perhaps an error page saved as a picture"}};
  size_t first = string_view::npos;
  string_view name = "XML";
  for (const Element& element : kElements) {
    const size_t at = lower.find(std::string(element.start));
    if (at < first) {
      first = at;
      name = element.name;
    }
  }
  return name;
}

bool IsText(string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 ? byte != 0x7F : absl::ascii_isspace(byte);
  });
}

// Names a text, after skipping a byte order mark and white space.
string_view NameOfText(string_view bytes) {
  if (bytes.empty()) return "only white space";
  if (absl::StartsWith(bytes, "\xFF\xD8\xFF") || absl::StartsWith(bytes, "\x89PNG\r\n\x1A\n")) {
    return "other bytes precede the picture";
  }
  if (const string_view name = NameBySignature(bytes); !name.empty()) return name;
  if (bytes.front() == '<') return Markup(bytes);
  if (!IsText(bytes)) return "unknown format";
  return bytes.front() == '{' || bytes.front() == '[' ? "JSON, perhaps an error message" : "text";
}

}  // namespace

string_view ForeignFormat(string_view bytes) {
  bytes = bytes.substr(0, kLookedAtBytes);
  if (bytes.find_first_not_of('\0') == string_view::npos) {
    return "all zeros: the file was never completely written";
  }
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") {
    return NameByBrand(bytes);
  }
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "moov") return "QuickTime video";
  if (IsBmp(bytes)) return "BMP";
  if (IsNetpbm(bytes)) return "PNM";
  if (const string_view name = NameBySignature(bytes); !name.empty()) return name;
  if (absl::StartsWith(bytes, "\xFF\xFE") || absl::StartsWith(bytes, "\xFE\xFF")) {
    return "UTF-16 text";
  }
  absl::ConsumePrefix(&bytes, "\xEF\xBB\xBF");
  return NameOfText(absl::StripLeadingAsciiWhitespace(bytes));
}

}  // namespace s2p
