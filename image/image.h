// An image in memory, and the only functions that decode bytes into one.
#ifndef S2P_IMAGE_IMAGE_H_
#define S2P_IMAGE_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace s2p {

// Memory for pixels, with the function that frees it.
using PixelMemory = std::unique_ptr<uint8_t, std::function<void(uint8_t*)>>;

// RGB, 8 bits per channel, row-major, interleaved, no padding: [height, width, 3] in [0, 255]. A
// value; copying copies the pixels, and an image that was moved from is empty. Thread-compatible.
class Image {
 public:
  static constexpr int kChannels = 3;

  Image() = default;
  // All channels set to `fill`. Requires width, height >= 0.
  Image(int width, int height, uint8_t fill = 255);
  // Takes over `pixels`, whose first width * height * 3 bytes are the image. For decoders, whose
  // result is not copied. Requires width, height >= 1.
  Image(int width, int height, PixelMemory pixels);
  Image(const Image& other);
  Image(Image&& other) noexcept;
  Image& operator=(Image other) noexcept;

  int width() const { return width_; }
  int height() const { return height_; }
  bool empty() const { return bytes() == 0; }

  uint8_t* row(int y) { return pixels_.get() + static_cast<size_t>(y) * width_ * kChannels; }
  const uint8_t* row(int y) const {
    return pixels_.get() + static_cast<size_t>(y) * width_ * kChannels;
  }
  absl::Span<const uint8_t> pixels() const { return {pixels_.get(), bytes()}; }

 private:
  size_t bytes() const { return static_cast<size_t>(width_) * height_ * kChannels; }

  int width_ = 0;
  int height_ = 0;
  PixelMemory pixels_;
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
  // Passes that the decoder makes over the pixels: the scans of a JPEG, else 1.
  int scans = 1;
  // Most memory that decoding takes at one time, in bytes: a copy of the file, the pixels, and what
  // the format needs besides. 3 bytes a pixel for a baseline JPEG, most PNGs and an opaque lossy
  // WebP; 4 for an interlaced PNG with alpha. A progressive JPEG needs 2 more for each sample,
  // because its scans refine all of them, and a lossless WebP 4 more for each pixel.
  int64_t decode_bytes = 0;
};

// Reads format, size and cost from the headers, without decoding and without allocating more than a
// few hundred bytes. Needs the whole file: it counts the scans and looks for the end.
// InvalidArgument, with the reason, for anything that is not a JPEG, PNG or WebP image within the
// limits, and for what no camera or program writes but which keeps a decoder busy: a side of more
// than 65,535 pixels, more than 100 scans, more than 2 billion pixels in all scans together, more
// than 100,000 chunks in a PNG or 1,000 in a WebP.
absl::StatusOr<ImageHeader> ReadImageHeader(absl::string_view bytes,
                                            const ImageLimits& limits = {});

// Decodes an image that passes ReadImageHeader. Grey, palette, CMYK and 16-bit images become 8-bit
// RGB, alpha and transparent colours are composited on white, and EXIF orientation is applied.
// InvalidArgument if the picture is damaged or ends early, even where a viewer would show the rest:
// docs/decisions/0008-image-libraries.md has the rule. ResourceExhausted if there is not enough
// memory. Thread-safe.
absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const ImageLimits& limits = {});

// The size in bytes of the area that DecodeInto needs: 4 a pixel. Most images use three quarters of
// it, and pages that are not touched cost nothing.
size_t DecodeAreaBytes(const ImageHeader& header);
// As DecodeImage, into memory of the caller's, of DecodeAreaBytes(header) bytes: the pixels are at
// its start, [height, width, 3]. `header` is what ReadImageHeader says of `bytes`. After an error
// the content is arbitrary. Thread-safe.
absl::Status DecodeInto(absl::string_view bytes, const ImageHeader& header,
                        absl::Span<uint8_t> area);

// InvalidArgument for an empty image; Internal if the library fails. Thread-safe.
absl::StatusOr<std::string> EncodePng(const Image& image);
// The same; `quality` in [1, 100], else InvalidArgument.
absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality = 90);

}  // namespace s2p

#endif  // S2P_IMAGE_IMAGE_H_
