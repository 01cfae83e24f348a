// Reads the headers of an image before any decoder sees them: a decoder allocates what a header
// claims, and OpenCV would pick from dozens of formats on its own.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "image/foreign_format.h"
#include "image/image.h"
#include "image/image_decoders.h"

namespace s2p {
namespace {

using absl::string_view;

// JPEG's limit. A PNG may be longer, and resizing a picture one pixel wide would need far more
// memory than its pixels.
constexpr uint32_t kMaxSidePixels = 65'535;
// Pixels times scans: a minute of work for a slow core.
constexpr uint64_t kMaxScannedPixels = 2'000'000'000;
// Programs write chunks of 8 KiB or more into a PNG, and a handful into a WebP.
constexpr int kMaxPngChunks = 100'000;
constexpr int kMaxWebPChunks = 1'000;

absl::Status Bad(string_view what) { return absl::InvalidArgumentError(what); }
absl::Status Truncated(string_view format) {
  return Bad(absl::StrCat("the ", format, " image ends early: it was cut off or damaged"));
}

uint32_t Byte(string_view bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }
uint32_t Big16(string_view b, size_t at) { return Byte(b, at) << 8 | Byte(b, at + 1); }
uint32_t Big32(string_view b, size_t at) { return Big16(b, at) << 16 | Big16(b, at + 2); }
uint32_t Little16(string_view b, size_t at) { return Byte(b, at) | Byte(b, at + 1) << 8; }
uint32_t Little24(string_view b, size_t at) { return Little16(b, at) | Byte(b, at + 2) << 16; }
uint32_t Little32(string_view b, size_t at) { return Little16(b, at) | Little16(b, at + 2) << 16; }

// The orientation in a TIFF structure embedded by EXIF; 1 if it is missing or invalid.
int ExifOrientation(string_view tiff) {
  constexpr uint32_t kOrientationTag = 0x0112, kShort = 3, kLong = 4;
  constexpr size_t kEntryBytes = 12;
  if (tiff.size() < 8) return 1;
  const bool little = absl::StartsWith(tiff, "II");
  if (!little && !absl::StartsWith(tiff, "MM")) return 1;
  const auto read16 = [&](size_t at) { return little ? Little16(tiff, at) : Big16(tiff, at); };
  const auto read32 = [&](size_t at) { return little ? Little32(tiff, at) : Big32(tiff, at); };
  const size_t directory = read32(4);
  if (directory > tiff.size() - 2) return 1;
  const size_t count = read16(directory);
  for (size_t i = 0; i < count; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (entry + kEntryBytes > tiff.size()) return 1;
    if (read16(entry) != kOrientationTag) continue;
    // A SHORT; some programs write a LONG.
    const bool is_long = read16(entry + 2) == kLong;
    if (!is_long && read16(entry + 2) != kShort) continue;
    const uint32_t orientation = is_long ? read32(entry + 8) : read16(entry + 8);
    return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

// Sizes as stored, before orientation, and what decoding takes.
struct Stored {
  ImageFormat format = ImageFormat::kJpeg;
  uint32_t width = 0;
  uint32_t height = 0;
  int orientation = 1;
  int scans = 1;
  // The decoder needs the whole picture in memory before the first row is final.
  bool is_whole = false;
  bool has_alpha = false;
  // The decoder's memory besides the pixels, in bytes a pixel.
  double extra_bytes = 0;
};

bool IsStartOfFrame(uint32_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Refuses the kinds of JPEG, by frame header (ITU-T T.81, table B.1), that the decoder does not
// support.
absl::Status CheckJpegKind(uint32_t frame, uint32_t bits) {
  if (frame <= 0xC2) {
    if (bits == 8) return absl::OkStatus();
    return Bad(absl::StrCat("the JPEG image has ", bits, " bits per sample; only 8 are supported"));
  }
  if (frame == 0xC3) return Bad("lossless JPEG images are not supported");
  if (frame == 0xC9 || frame == 0xCA) {
    return Bad("JPEG images with arithmetic coding are not supported");
  }
  return Bad("hierarchical JPEG images are not supported");
}

// The next marker at or after `at`, which moves past it; 0 if there is none. Skips fill bytes, and
// stray bytes between segments, which some phones write.
uint32_t NextJpegMarker(string_view bytes, size_t& at) {
  for (; at + 1 < bytes.size(); ++at) {
    const uint32_t code = Byte(bytes, at + 1);
    if (Byte(bytes, at) != 0xFF || code == 0x00 || code == 0xFF) continue;
    at += 2;
    return code;
  }
  return 0;
}

constexpr uint32_t kStartOfScan = 0xDA, kStartOfImage = 0xD8, kEndOfImage = 0xD9, kTem = 0x01;

bool IsRestart(uint32_t marker) { return marker >= 0xD0 && marker <= 0xD7; }

// Whether a decoder reads on after this marker: tables, restart intervals, metadata and DNL, each
// with a length.
bool IsBetweenScans(uint32_t marker) {
  return marker == kStartOfScan || marker == 0xC4 || marker == 0xCC ||
         (marker >= 0xDB && marker <= 0xDD) || (marker >= 0xE0 && marker <= 0xEF) || marker == 0xFE;
}

// The scans from `at` on, which lies behind the header of the first one; stops beyond the limit.
// Damage does not matter here: it ends the decoder as well.
int CountScans(string_view bytes, size_t at) {
  int scans = 1;
  while (scans <= kMaxJpegScans) {
    const uint32_t marker = NextJpegMarker(bytes, at);
    if (marker == kTem || IsRestart(marker)) continue;  // These have no body.
    if (!IsBetweenScans(marker) || at + 2 > bytes.size()) break;
    if (marker == kStartOfScan) ++scans;
    at += Big16(bytes, at);
    if (at > bytes.size()) break;
  }
  return scans;
}

// The samples of a pixel that a frame header states, 1 to 4. Components may be smaller than the
// picture; a component that the segment does not have counts as large as the picture.
double SamplesPerPixel(string_view frame) {
  const size_t components = std::min<size_t>(frame.size() > 5 ? Byte(frame, 5) : 0, 4);
  double sum = 0, largest = 1;
  for (size_t c = 0; c < components; ++c) {
    const size_t at = 6 + 3 * c + 1;
    const uint32_t factors = at < frame.size() ? Byte(frame, at) : 0x44;
    const double samples = (factors >> 4) * (factors & 15);
    sum += samples;
    largest = std::max(largest, samples);
  }
  return std::min(sum / largest, 4.0);
}

// JPEG (ITU-T T.81, B.1): markers with lengths up to the first scan; scans are counted and the end
// marker is searched for after it.
absl::StatusOr<Stored> ReadJpeg(string_view bytes) {
  constexpr uint32_t kApp1 = 0xE1;
  constexpr string_view kEnd("\xFF\xD9", 2), kExif("Exif\0\0", 6);
  // libjpeg keeps the coefficients of pictures with several scans, 2 bytes each.
  constexpr double kCoefficientBytes = 2;
  Stored stored;
  stored.format = ImageFormat::kJpeg;
  bool has_frame = false, has_exif = false, is_progressive = false;
  double samples = 0;
  uint32_t components = 0;
  size_t at = 2;
  for (;;) {
    const uint32_t marker = NextJpegMarker(bytes, at);
    if (marker == 0 || marker == kEndOfImage) return Truncated("JPEG");
    if (marker == kStartOfImage)
      return Bad("the JPEG image is damaged: another one starts inside it");
    if (marker == kTem || IsRestart(marker)) continue;  // These have no body.
    if (at + 2 > bytes.size()) return Truncated("JPEG");
    const size_t length = Big16(bytes, at);
    if (length < 2) return Bad("the JPEG image is damaged: a segment without a length");
    if (length > bytes.size() - at) return Truncated("JPEG");
    const string_view body = bytes.substr(at + 2, length - 2);
    at += length;
    if (marker == kStartOfScan) {
      const uint32_t scanned = body.empty() ? 0 : Byte(body, 0);
      if (is_progressive || scanned < components) stored.extra_bytes = kCoefficientBytes * samples;
      break;
    }
    if (IsStartOfFrame(marker)) {
      if (body.size() < 6) return Bad("the JPEG image is damaged: its frame header is too short");
      if (has_frame) return Bad("the JPEG image has more than one frame header");
      S2P_RETURN_IF_ERROR(CheckJpegKind(marker, Byte(body, 0)));
      stored.height = Big16(body, 1);
      stored.width = Big16(body, 3);
      if (stored.height == 0)
        return Bad("JPEG images that state their height after the scan (DNL) are not supported");
      components = Byte(body, 5);
      samples = SamplesPerPixel(body);
      is_progressive = marker == 0xC2;
      has_frame = true;
    } else if (marker == kApp1 && !has_exif && absl::StartsWith(body, kExif)) {
      stored.orientation = ExifOrientation(body.substr(kExif.size()));
      has_exif = true;
    }
  }
  if (!has_frame) return Bad("the JPEG image has no frame header");
  if (bytes.substr(at).rfind(kEnd) == string_view::npos) return Truncated("JPEG");
  stored.scans = CountScans(bytes, at);
  if (stored.scans > kMaxJpegScans) {
    return Bad(absl::StrCat("the JPEG image has more than ", kMaxJpegScans, " scans"));
  }
  return stored;
}

bool IsPngKind(uint32_t depth, uint32_t color) {
  switch (color) {
    case 0:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
    case 3:
      return depth == 1 || depth == 2 || depth == 4 || depth == 8;
    case 2:
    case 4:
    case 6:
      return depth == 8 || depth == 16;
    default:
      return false;
  }
}

// PNG (ISO/IEC 15948): chunks of length, name, body and CRC.
absl::StatusOr<Stored> ReadPng(string_view bytes) {
  constexpr size_t kSignatureBytes = 8, kFrameBytes = 12, kHeaderBytes = 13;
  Stored stored;
  stored.format = ImageFormat::kPng;
  bool has_pixels = false;
  int chunks = 0;
  for (size_t at = kSignatureBytes;;) {
    if (++chunks > kMaxPngChunks) {
      return Bad(absl::StrCat("the PNG image has more than ", kMaxPngChunks, " chunks"));
    }
    if (bytes.size() - at < kFrameBytes) return Truncated("PNG");
    const size_t length = Big32(bytes, at);
    if (length > bytes.size() - at - kFrameBytes) return Truncated("PNG");
    const string_view name = bytes.substr(at + 4, 4), body = bytes.substr(at + 8, length);
    if (at == kSignatureBytes) {
      if (name == "CgBI")
        return Bad("PNG images in Apple's Xcode variant (CgBI) are not supported");
      if (name != "IHDR" || length != kHeaderBytes) return Bad("the PNG image has no header");
      stored.width = Big32(body, 0);
      stored.height = Big32(body, 4);
      if (!IsPngKind(Byte(body, 8), Byte(body, 9)) || Byte(body, 10) != 0 || Byte(body, 11) != 0 ||
          Byte(body, 12) > 1) {
        return Bad("the PNG image's header is damaged");
      }
      stored.has_alpha = Byte(body, 9) == 4 || Byte(body, 9) == 6;
      stored.is_whole = Byte(body, 12) == 1;
    } else if (name == "tRNS") {
      stored.has_alpha = true;
    } else if (name == "eXIf" && !has_pixels) {
      stored.orientation = ExifOrientation(body);
    } else if (name == "IDAT") {
      has_pixels = true;
    } else if (name == "IEND") {
      if (!has_pixels) return Bad("the PNG image has no pixels");
      return stored;
    }
    at += kFrameBytes + length;
  }
}

// The size that a lossy or lossless bit stream states.
absl::Status ReadWebPStream(string_view name, string_view body, Stored& stored) {
  constexpr double kArgbBytes = 4;
  constexpr string_view kVp8Start("\x9D\x01\x2A", 3);
  if (name == "VP8 ") {
    if (body.size() < 10 || body.substr(3, 3) != kVp8Start) {
      return Bad("the WebP image's frame header is damaged");
    }
    stored.width = Little16(body, 6) & 0x3FFF;
    stored.height = Little16(body, 8) & 0x3FFF;
    return absl::OkStatus();
  }
  if (body.size() < 5 || Byte(body, 0) != 0x2F) {
    return Bad("the WebP image's frame header is damaged");
  }
  const uint32_t bits = Little32(body, 1);
  stored.width = (bits & 0x3FFF) + 1;
  stored.height = (bits >> 14 & 0x3FFF) + 1;
  stored.has_alpha |= (bits >> 28 & 1) != 0;
  stored.extra_bytes = kArgbBytes;
  return absl::OkStatus();
}

// WebP (RFC 9649): a RIFF file of chunks, each padded to an even length.
absl::StatusOr<Stored> ReadWebP(string_view bytes) {
  constexpr size_t kRiffHeaderBytes = 12, kChunkHeaderBytes = 8;
  constexpr uint32_t kAnimationFlag = 0x02, kAlphaFlag = 0x10;
  // The plane of alpha, and the lossless picture that it may be packed in.
  constexpr double kAlphaBytes = 5;
  const uint64_t riff_bytes = uint64_t{Little32(bytes, 4)} + 8;
  if (riff_bytes > bytes.size()) return Truncated("WebP");
  const string_view riff = bytes.substr(0, riff_bytes);
  Stored stored, canvas;
  stored.format = ImageFormat::kWebp;
  stored.is_whole = true;
  bool has_canvas = false, has_stream = false;
  int chunks = 0;
  for (size_t at = kRiffHeaderBytes; at + kChunkHeaderBytes <= riff.size();) {
    if (++chunks > kMaxWebPChunks) {
      return Bad(absl::StrCat("the WebP image has more than ", kMaxWebPChunks, " chunks"));
    }
    const size_t length = Little32(riff, at + 4);
    if (length > riff.size() - at - kChunkHeaderBytes) return Truncated("WebP");
    const string_view name = riff.substr(at, 4), body = riff.substr(at + kChunkHeaderBytes, length);
    if (name == "VP8X") {
      if (body.size() < 10) return Bad("the WebP image's header is damaged");
      if (Byte(body, 0) & kAnimationFlag) {
        return Bad("the WebP image is marked as animated; animated WebP images are not supported");
      }
      canvas.width = Little24(body, 4) + 1;
      canvas.height = Little24(body, 7) + 1;
      stored.has_alpha |= (Byte(body, 0) & kAlphaFlag) != 0;
      has_canvas = true;
    } else if (name == "ALPH") {
      // The decoder believes the chunk, whatever the header's flag says.
      stored.has_alpha = true;
    } else if (name == "ANMF") {
      return Bad("the WebP image has several frames; animated WebP images are not supported");
    } else if ((name == "VP8 " || name == "VP8L") && !has_stream) {
      S2P_RETURN_IF_ERROR(ReadWebPStream(name, body, stored));
      has_stream = true;
    } else if (name == "EXIF") {
      constexpr string_view kPrefix("Exif\0\0", 6);
      stored.orientation =
          ExifOrientation(absl::StartsWith(body, kPrefix) ? body.substr(kPrefix.size()) : body);
    }
    at += kChunkHeaderBytes + length + length % 2;
  }
  if (!has_stream) return Bad("the WebP image has no pixels");
  if (stored.has_alpha) stored.extra_bytes = std::max(stored.extra_bytes, kAlphaBytes);
  if (has_canvas && (canvas.width != stored.width || canvas.height != stored.height)) {
    return Bad("the WebP image contradicts itself about its size");
  }
  return stored;
}

absl::StatusOr<Stored> ReadStored(string_view bytes) {
  if (absl::StartsWith(bytes, "\xFF\xD8\xFF")) return ReadJpeg(bytes);
  if (absl::StartsWith(bytes, string_view("\x89PNG\r\n\x1A\n", 8))) return ReadPng(bytes);
  if (bytes.size() >= 12 && absl::StartsWith(bytes, "RIFF") && bytes.substr(8, 4) == "WEBP") {
    return ReadWebP(bytes);
  }
  return Bad(absl::StrCat("not a JPEG, PNG or WebP image (", ForeignFormat(bytes),
                          "): save it as one of these first"));
}

// The most memory that decoding takes, with rows and tables.
int64_t DecodeBytes(const Stored& stored, size_t file_bytes) {
  constexpr int64_t kTableBytes = 512 << 10, kRowBytes = 128;
  const int64_t pixels = int64_t{stored.width} * stored.height;
  const int channels = stored.has_alpha && stored.is_whole ? 4 : Image::kChannels;
  double per_pixel = channels + stored.extra_bytes;
  // A picture that is decoded whole is turned by copying it.
  if (stored.is_whole && stored.orientation != 1) per_pixel += Image::kChannels;
  return static_cast<int64_t>(file_bytes) + kTableBytes +
         kRowBytes * (int64_t{stored.width} + stored.height) +
         static_cast<int64_t>(static_cast<double>(pixels) * per_pixel);
}

}  // namespace

string_view ContentType(ImageFormat format) {
  switch (format) {
    case ImageFormat::kJpeg:
      return "image/jpeg";
    case ImageFormat::kPng:
      return "image/png";
    case ImageFormat::kWebp:
      return "image/webp";
  }
  return "";
}

absl::StatusOr<ImageHeader> ReadImageHeader(string_view bytes, const ImageLimits& limits) {
  if (bytes.empty()) return Bad("the image is empty");
  if (bytes.size() > limits.max_bytes) {
    return Bad(absl::StrCat("the image has ", bytes.size(), " bytes; at most ", limits.max_bytes,
                            " are allowed"));
  }
  S2P_ASSIGN_OR_RETURN(const Stored stored, ReadStored(bytes));
  if (stored.width == 0 || stored.height == 0) return Bad("the image's width or height is 0");
  // Both are below 2^32, so the product fits.
  const uint64_t pixels = uint64_t{stored.width} * stored.height;
  if (pixels > static_cast<uint64_t>(limits.max_pixels)) {
    return Bad(absl::StrCat("the image is ", stored.width, " x ", stored.height,
                            " pixels; at most ", limits.max_pixels, " pixels are allowed"));
  }
  if (std::max(stored.width, stored.height) > kMaxSidePixels) {
    return Bad(absl::StrCat("the image is ", stored.width, " x ", stored.height,
                            " pixels; at most ", kMaxSidePixels, " pixels per side are allowed"));
  }
  if (pixels * static_cast<uint64_t>(stored.scans) > kMaxScannedPixels) {
    return Bad(absl::StrCat("the image has ", pixels, " pixels in ", stored.scans,
                            " scans; at most ", kMaxScannedPixels,
                            " in all scans together are allowed: save it again"));
  }
  ImageHeader header;
  header.format = stored.format;
  header.scans = stored.scans;
  header.decode_bytes = DecodeBytes(stored, bytes.size());
  header.orientation = stored.orientation;
  header.width = static_cast<int>(stored.width);
  header.height = static_cast<int>(stored.height);
  if (header.orientation >= 5) std::swap(header.width, header.height);
  return header;
}

}  // namespace s2p
