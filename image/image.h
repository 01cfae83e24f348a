// An image in memory, and the only functions that decode bytes into one.
#ifndef S2P_IMAGE_IMAGE_H_
#define S2P_IMAGE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace s2p {

// RGB, 8 bits per channel, row-major, interleaved, no padding: [height, width, 3] in [0, 255]. A
// value; copying copies the pixels. Thread-compatible.
class Image {
 public:
  static constexpr int kChannels = 3;

  Image() = default;
  // All channels set to `fill`. Requires width, height >= 0.
  Image(int width, int height, uint8_t fill = 255);

  int width() const { return width_; }
  int height() const { return height_; }
  bool empty() const { return pixels_.empty(); }

  uint8_t* row(int y) { return pixels_.data() + static_cast<size_t>(y) * width_ * kChannels; }
  const uint8_t* row(int y) const {
    return pixels_.data() + static_cast<size_t>(y) * width_ * kChannels;
  }
  absl::Span<const uint8_t> pixels() const { return pixels_; }

 private:
  int width_ = 0;
  int height_ = 0;
  std::vector<uint8_t> pixels_;
};

enum class ImageFormat { kJpeg, kPng, kWebp };

// "image/jpeg", "image/png" or "image/webp".
absl::string_view ContentType(ImageFormat format);

struct ImageLimits {
  // Size of the encoded image. 10 MiB.
  size_t max_bytes = size_t{10} << 20;
  // Width times height as stated in the header. 40 megapixels.
  int64_t max_pixels = 40'000'000;
};

struct ImageHeader {
  ImageFormat format = ImageFormat::kJpeg;
  // The size as displayed, after orientation is applied.
  int width = 0;
  int height = 0;
  // EXIF orientation, 1 to 8; 1 if there is none.
  int orientation = 1;
};

// Reads format and size from the headers, without decoding and without allocating more than a few
// hundred bytes. Needs the whole file: it also looks for the end. InvalidArgument, with the reason,
// for anything that is not a JPEG, PNG or WebP image within the limits, or has a side of more than
// 65,535 pixels.
absl::StatusOr<ImageHeader> ReadImageHeader(absl::string_view bytes,
                                            const ImageLimits& limits = {});

// Decodes an image that passes ReadImageHeader. Grey, palette, CMYK and 16-bit images become 8-bit
// RGB, alpha and transparent colours are composited on white, and EXIF orientation is applied.
// InvalidArgument if the picture is damaged or ends early, even where a viewer would show the rest:
// docs/decisions/0008-image-libraries.md has the rule.
absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const ImageLimits& limits = {});

absl::StatusOr<std::string> EncodePng(const Image& image);
// `quality` in [1, 100].
absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality = 90);

}  // namespace s2p

#endif  // S2P_IMAGE_IMAGE_H_
