#include "model/image.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace s2p {
namespace {

// 16 bits to 8, rounded.
uint8_t ToByte(uint16_t value) { return static_cast<uint8_t>((value * 255u + 32767u) / 65535u); }
uint8_t ToByte(uint8_t value) { return value; }

uint8_t OnWhite(uint8_t value, uint8_t alpha) {
  return static_cast<uint8_t>((value * alpha + 255u * (255u - alpha) + 127u) / 255u);
}

// One row of grey, BGR or BGRA samples to RGB.
template <typename Sample>
void ConvertRow(const Sample* in, int width, int channels, uint8_t* out) {
  for (int x = 0; x < width; ++x, in += channels, out += Image::kChannels) {
    if (channels == 1) {
      std::fill_n(out, Image::kChannels, ToByte(in[0]));
      continue;
    }
    for (int c = 0; c < Image::kChannels; ++c) {
      const uint8_t value = ToByte(in[2 - c]);
      out[c] = channels == 4 ? OnWhite(value, ToByte(in[3])) : value;
    }
  }
}

absl::StatusOr<Image> ToRgb(const cv::Mat& mat) {
  const int channels = mat.channels();
  if (channels != 1 && channels != 3 && channels != 4) {
    return absl::InvalidArgumentError(absl::StrCat("an image of ", channels, " channels"));
  }
  Image image(mat.cols, mat.rows);
  for (int y = 0; y < mat.rows; ++y) {
    if (mat.depth() == CV_8U) {
      ConvertRow(mat.ptr<uint8_t>(y), mat.cols, channels, image.row(y));
    } else if (mat.depth() == CV_16U) {
      ConvertRow(mat.ptr<uint16_t>(y), mat.cols, channels, image.row(y));
    } else {
      return absl::InvalidArgumentError("an image of samples that are neither 8 nor 16 bits");
    }
  }
  return image;
}

// As EXIF's Orientation says: which stored pixel is shown at (x, y).
Image Orient(const Image& stored, int orientation) {
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
  const auto header = ReadImageHeader(bytes, limits);
  if (!header.ok()) return header.status();
  const absl::Status damaged = absl::InvalidArgumentError("the image is damaged");
  try {
    // The Mat only refers to the bytes; imdecode does not write to them.
    const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U,
                          const_cast<char*>(bytes.data()));
    const cv::Mat decoded = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
    if (decoded.empty()) return damaged;
    const bool swapped = header->orientation >= 5;
    if (decoded.cols != (swapped ? header->height : header->width) ||
        decoded.rows != (swapped ? header->width : header->height)) {
      return damaged;
    }
    auto image = ToRgb(decoded);
    if (!image.ok()) return image.status();
    return Orient(*image, header->orientation);
  } catch (const cv::Exception&) {
    return damaged;
  }
}

absl::StatusOr<std::string> EncodePng(const Image& image) { return Encode(image, ".png", {}); }

absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality) {
  if (quality < 1 || quality > 100) {
    return absl::InvalidArgumentError(absl::StrCat("JPEG quality ", quality, " is not 1 to 100"));
  }
  return Encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

}  // namespace s2p
