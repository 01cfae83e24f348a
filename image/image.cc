#include "image/image.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "image/image_decoders.h"

namespace s2p {
namespace {

// Rotates and mirrors the stored pixels as EXIF's Orientation says.
Image Orient(Image stored, int orientation) {
  if (orientation == 1) return stored;
  const bool swapped = orientation >= 5;
  const int last_x = stored.width() - 1, last_y = stored.height() - 1;
  Image shown(swapped ? stored.height() : stored.width(),
              swapped ? stored.width() : stored.height());
  for (int y = 0; y < shown.height(); ++y) {
    for (int x = 0; x < shown.width(); ++x) {
      int from_x = swapped ? y : x, from_y = swapped ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) {
        from_x = last_x - from_x;
      }
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) {
        from_y = last_y - from_y;
      }
      std::copy_n(stored.row(from_y) + from_x * Image::kChannels, Image::kChannels,
                  shown.row(y) + x * Image::kChannels);
    }
  }
  return shown;
}

absl::StatusOr<Image> DecodeStored(ImageFormat format, absl::string_view bytes, int width,
                                   int height) {
  switch (format) {
    case ImageFormat::kJpeg:
      return DecodeJpeg(bytes, width, height);
    case ImageFormat::kPng:
      return DecodePng(bytes, width, height);
    case ImageFormat::kWebp:
      return DecodeWebp(bytes, width, height);
  }
  return absl::InternalError("an image format without a decoder");
}

absl::StatusOr<std::string> Encode(const Image& image, const char* extension,
                                   const std::vector<int>& parameters) {
  if (image.empty()) return absl::InvalidArgumentError("an empty image cannot be encoded");
  cv::Mat bgr(image.height(), image.width(), CV_8UC3);
  for (int y = 0; y < image.height(); ++y) {
    const uint8_t* in = image.row(y);
    for (int x = 0; x < image.width(); ++x, in += Image::kChannels) {
      bgr.at<cv::Vec3b>(y, x) = cv::Vec3b(in[2], in[1], in[0]);
    }
  }
  try {
    std::vector<uint8_t> bytes;
    if (!cv::imencode(extension, bgr, bytes, parameters)) {
      return absl::InternalError("the image encoder failed");
    }
    return std::string(bytes.begin(), bytes.end());
  } catch (const cv::Exception& error) {
    return absl::InternalError(absl::StrCat("the image encoder failed: ", error.what()));
  }
}

}  // namespace

Image::Image(int width, int height, uint8_t fill)
    : width_(width),
      height_(height),
      pixels_(static_cast<size_t>(width) * static_cast<size_t>(height) * kChannels, fill) {
  S2P_CHECK(width >= 0 && height >= 0);
}

absl::StatusOr<Image> DecodeImage(absl::string_view bytes, const ImageLimits& limits) {
  S2P_ASSIGN_OR_RETURN(const auto header, ReadImageHeader(bytes, limits));
  const bool swapped = header.orientation >= 5;
  const int width = swapped ? header.height : header.width;
  const int height = swapped ? header.width : header.height;
  S2P_ASSIGN_OR_RETURN(auto stored, DecodeStored(header.format, bytes, width, height));
  return Orient(std::move(stored), header.orientation);
}

absl::StatusOr<std::string> EncodePng(const Image& image) { return Encode(image, ".png", {}); }

absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality) {
  if (quality < 1 || quality > 100) {
    return absl::InvalidArgumentError(absl::StrCat("JPEG quality ", quality, " is not 1 to 100"));
  }
  return Encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

}  // namespace s2p
