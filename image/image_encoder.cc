#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "image/image.h"

namespace s2p {
namespace {

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

absl::StatusOr<std::string> EncodePng(const Image& image) { return Encode(image, ".png", {}); }

absl::StatusOr<std::string> EncodeJpeg(const Image& image, int quality) {
  if (quality < 1 || quality > 100) {
    return absl::InvalidArgumentError(absl::StrCat("JPEG quality ", quality, " is not 1 to 100"));
  }
  return Encode(image, ".jpg", {cv::IMWRITE_JPEG_QUALITY, quality});
}

}  // namespace s2p
