// Encoded images made by hand, so that a test can put anything into their headers.
#ifndef S2P_TESTS_IMAGE_IMAGE_BYTES_H_
#define S2P_TESTS_IMAGE_IMAGE_BYTES_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace s2p::test {

inline std::string Little(uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> 8 * i & 0xFF));
  return text;
}

inline std::string Big(uint32_t value, int bytes) {
  const std::string little = Little(value, bytes);
  return std::string(little.rbegin(), little.rend());
}

// Bytes from numbers, such as Bytes({0xFF, 0xD8}).
inline std::string Bytes(const std::vector<int>& values) {
  std::string text;
  for (int value : values) text.push_back(static_cast<char>(value));
  return text;
}

inline std::string PngChunk(absl::string_view name, absl::string_view body) {
  const std::string covered = absl::StrCat(name, body);
  uint32_t crc = 0xFFFFFFFFu;
  for (const char c : covered) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return absl::StrCat(Big(static_cast<uint32_t>(body.size()), 4), covered, Big(~crc, 4));
}

// A zlib stream that stores `raw` as it is. Requires at most 65535 bytes.
inline std::string ZlibStored(absl::string_view raw) {
  uint32_t a = 1, b = 0;
  for (const char c : raw) {
    a = (a + static_cast<uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const auto size = static_cast<uint32_t>(raw.size());
  return absl::StrCat(Bytes({0x78, 0x01, 0x01}), Little(size, 2), Little(~size & 0xFFFFu, 2), raw,
                      Big(b << 16 | a, 4));
}

struct PngLayout {
  uint32_t width = 1;
  uint32_t height = 1;
  int depth = 8;
  int color = 2;
};

inline std::string PngHeader(const PngLayout& layout) {
  return absl::StrCat(Big(layout.width, 4), Big(layout.height, 4),
                      Bytes({layout.depth, layout.color, 0, 0, 0}));
}

constexpr absl::string_view kPngSignature("\x89PNG\r\n\x1A\n", 8);

// `rows` are the samples of each row, packed; `extra` are chunks before the pixels.
inline std::string Png(const PngLayout& layout, const std::vector<std::string>& rows,
                       absl::string_view extra = "") {
  std::string raw;
  for (const std::string& row : rows) absl::StrAppend(&raw, std::string(1, '\0'), row);
  return absl::StrCat(kPngSignature, PngChunk("IHDR", PngHeader(layout)), extra,
                      PngChunk("IDAT", ZlibStored(raw)), PngChunk("IEND", ""));
}

// EXIF's TIFF structure with only an orientation.
inline std::string ExifTiff(uint32_t orientation, bool little = true) {
  const auto number = [little](uint32_t value, int bytes) {
    return little ? Little(value, bytes) : Big(value, bytes);
  };
  return absl::StrCat(little ? "II" : "MM", number(42, 2), number(8, 4), number(1, 2),
                      number(0x0112, 2), number(3, 2), number(1, 4), number(orientation, 2),
                      number(0, 2), number(0, 4));
}

inline std::string JpegSegment(int marker, absl::string_view body) {
  return absl::StrCat(Bytes({0xFF, marker}), Big(static_cast<uint32_t>(body.size()) + 2, 2), body);
}

inline std::string JpegExif(absl::string_view tiff) {
  return JpegSegment(0xE1, absl::StrCat(absl::string_view("Exif\0\0", 6), tiff));
}

// A baseline JPEG with one block per component, each of the middle value. `frame` is the marker of
// the frame header: 0xC0 for baseline.
inline std::string Jpeg(uint32_t width, uint32_t height, int components, int frame = 0xC0) {
  std::string header = absl::StrCat(Bytes({8}), Big(height, 2), Big(width, 2), Bytes({components}));
  std::string scan = Bytes({components});
  for (int id = 1; id <= components; ++id) {
    absl::StrAppend(&header, Bytes({id, 0x11, 0}));
    absl::StrAppend(&scan, Bytes({id, 0x00}));
  }
  // One code of one bit: "no difference" in table 0 of DC, "end of block" in that of AC.
  const std::string one_code = absl::StrCat(Bytes({1}), std::string(15, '\0'), Bytes({0}));
  return absl::StrCat(
      Bytes({0xFF, 0xD8}), JpegSegment(0xDB, absl::StrCat(Bytes({0}), std::string(64, '\x01'))),
      JpegSegment(frame, header), JpegSegment(0xC4, absl::StrCat(Bytes({0x00}), one_code)),
      JpegSegment(0xC4, absl::StrCat(Bytes({0x10}), one_code)),
      JpegSegment(0xDA, absl::StrCat(scan, Bytes({0, 63, 0}))), Bytes({0}), Bytes({0xFF, 0xD9}));
}

inline std::string RiffChunk(absl::string_view name, absl::string_view body) {
  return absl::StrCat(name, Little(static_cast<uint32_t>(body.size()), 4), body,
                      std::string(body.size() % 2, '\0'));
}

// A WebP file of these chunks.
inline std::string WebP(absl::string_view chunks) {
  return RiffChunk("RIFF", absl::StrCat("WEBP", chunks));
}

inline std::string WebPCanvas(uint32_t width, uint32_t height, int flags) {
  return RiffChunk(
      "VP8X", absl::StrCat(Bytes({flags, 0, 0, 0}), Little(width - 1, 3), Little(height - 1, 3)));
}

// The start of a lossless stream: its size, and nothing that could be decoded.
inline std::string WebPLosslessHeader(uint32_t width, uint32_t height) {
  return RiffChunk("VP8L",
                   absl::StrCat(Bytes({0x2F}), Little((height - 1) << 14 | (width - 1), 4)));
}

}  // namespace s2p::test

#endif  // S2P_TESTS_IMAGE_IMAGE_BYTES_H_
