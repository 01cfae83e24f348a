#include "image/image.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "image/image_decoders.h"

namespace s2p {
namespace {

// Not initialised.
PixelMemory Allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  auto* memory = static_cast<uint8_t*>(std::malloc(bytes));
  if (memory == nullptr) throw std::bad_alloc();
  return PixelMemory(memory, [](uint8_t* pixels) { std::free(pixels); });
}

// Gives back what lies behind the first `bytes` bytes. Requires memory of Allocate's.
PixelMemory Trim(PixelMemory memory, size_t bytes) {
  auto* trimmed = static_cast<uint8_t*>(std::realloc(memory.get(), bytes));
  if (trimmed == nullptr) return memory;
  (void)memory.release();
  memory.reset(trimmed);
  return memory;
}

}  // namespace

Image::Image(int width, int height, uint8_t fill) : width_(width), height_(height) {
  S2P_CHECK(width >= 0 && height >= 0);
  pixels_ = Allocate(bytes());
  std::fill_n(pixels_.get(), bytes(), fill);
}

Image::Image(int width, int height, PixelMemory pixels)
    : width_(width), height_(height), pixels_(std::move(pixels)) {
  S2P_CHECK(width >= 1 && height >= 1 && pixels_ != nullptr);
}

Image::Image(const Image& other)
    : width_(other.width_), height_(other.height_), pixels_(Allocate(other.bytes())) {
  std::copy_n(other.pixels_.get(), bytes(), pixels_.get());
}

Image::Image(Image&& other) noexcept
    : width_(std::exchange(other.width_, 0)),
      height_(std::exchange(other.height_, 0)),
      pixels_(std::move(other.pixels_)) {}

Image& Image::operator=(Image other) noexcept {
  std::swap(width_, other.width_);
  std::swap(height_, other.height_);
  pixels_.swap(other.pixels_);
  return *this;
}

size_t DecodeAreaBytes(const ImageHeader& header) {
  return size_t{4} * static_cast<size_t>(header.width) * static_cast<size_t>(header.height);
}

absl::Status DecodeInto(absl::string_view bytes, const ImageHeader& header,
                        absl::Span<uint8_t> area) {
  S2P_CHECK(area.size() >= DecodeAreaBytes(header));
  const bool swaps_sides = header.orientation >= 5;
  OrientedRows rows(swaps_sides ? header.height : header.width,
                    swaps_sides ? header.width : header.height, header.orientation, area.data());
  switch (header.format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(bytes, rows);
    case ImageFormat::kPng:
      return DecodePng(bytes, rows);
    case ImageFormat::kWebp:
      return DecodeWebp(bytes, rows);
  }
  return absl::InternalError("an image format without a decoder");
}

absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const ImageLimits& limits) {
  S2P_ASSIGN_OR_RETURN(const auto header, ReadImageHeader(bytes, limits));
  const size_t area_bytes = DecodeAreaBytes(header);
  PixelMemory area = Allocate(area_bytes);
  S2P_RETURN_IF_ERROR(DecodeInto(bytes, header, {area.get(), area_bytes}));
  const size_t pixel_bytes = area_bytes / 4 * Image::kChannels;
  return Image(header.width, header.height, Trim(std::move(area), pixel_bytes));
}

}  // namespace s2p
