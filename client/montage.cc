#include "client/montage.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

constexpr int kImagePixels = 132;
constexpr int kGapPixels = 10;
constexpr int kCaptionPixels = 34;
constexpr int kFramePixels = 3;
// Gap between the sketch and its matches.
constexpr int kQueryGapPixels = 18;
constexpr int kCellWidth = kImagePixels + kGapPixels;
constexpr int kRowHeight = kImagePixels + kCaptionPixels + kGapPixels;
constexpr int kMaxSidePixels = 1 << 15;

const cv::Scalar kWhite(255, 255, 255);
const cv::Scalar kInk(40, 40, 40);
const cv::Scalar kGreyInk(130, 130, 130);
const cv::Scalar kGreen(70, 160, 40);
const cv::Scalar kFrame(215, 215, 215);

// Decodes as displayed: transparent pixels become white, EXIF orientation is applied.
cv::Mat DecodeOnWhite(const std::string& bytes) {
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  const cv::Mat raw = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
  if (raw.channels() != 4 || raw.depth() != CV_8U) return cv::imdecode(encoded, cv::IMREAD_COLOR);
  cv::Mat flat(raw.size(), CV_8UC3);
  for (int y = 0; y < raw.rows; ++y) {
    for (int x = 0; x < raw.cols; ++x) {
      const auto& from = raw.at<cv::Vec4b>(y, x);
      auto& to = flat.at<cv::Vec3b>(y, x);
      for (int c = 0; c < 3; ++c) {
        to[c] = static_cast<uint8_t>((from[c] * from[3] + 255 * (255 - from[3]) + 127) / 255);
      }
    }
  }
  return flat;
}

// Returns an empty image if decoding fails; OpenCV throws for sizes beyond its limits.
cv::Mat TryDecode(const std::string& bytes) {
  try {
    return DecodeOnWhite(bytes);
  } catch (const cv::Exception&) {
    return {};
  }
}

void PutLine(cv::Mat& canvas, const std::string& text, cv::Point at, const cv::Scalar& color) {
  constexpr double kScale = 0.4;
  std::string shown = text;
  int baseline = 0;
  const auto width = [&](const std::string& line) {
    return cv::getTextSize(line, cv::FONT_HERSHEY_SIMPLEX, kScale, 1, &baseline).width;
  };
  while (shown.size() > 1 && width(shown) > kImagePixels) {
    shown = absl::StrCat(shown.substr(0, shown.size() - 3), "..");
  }
  cv::putText(canvas, shown, at, cv::FONT_HERSHEY_SIMPLEX, kScale, color, 1, cv::LINE_AA);
}

absl::Status DrawCell(const MontageCell& cell, cv::Point at, cv::Mat& canvas) {
  const cv::Mat image = TryDecode(cell.image);
  if (image.empty()) return absl::InvalidArgumentError("the image cannot be decoded");
  const double scale = static_cast<double>(kImagePixels) / std::max(image.cols, image.rows);
  const cv::Size size(std::max(1, static_cast<int>(image.cols * scale)),
                      std::max(1, static_cast<int>(image.rows * scale)));
  cv::Mat shown;
  cv::resize(image, shown, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
  const cv::Rect box(at.x, at.y, kImagePixels, kImagePixels);
  cv::Mat target =
      canvas(cv::Rect(at.x + (kImagePixels - size.width) / 2,
                      at.y + (kImagePixels - size.height) / 2, size.width, size.height));
  shown.copyTo(target);
  if (cell.correct) {
    const cv::Rect frame(box.x - kFramePixels + 1, box.y - kFramePixels + 1,
                         box.width + 2 * kFramePixels - 2, box.height + 2 * kFramePixels - 2);
    cv::rectangle(canvas, frame, kGreen, kFramePixels);
  } else {
    const cv::Rect frame(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
    cv::rectangle(canvas, frame, kFrame, 1);
  }
  PutLine(canvas, cell.first_line, {at.x, at.y + kImagePixels + 15}, kInk);
  PutLine(canvas, cell.second_line, {at.x, at.y + kImagePixels + 29}, kGreyInk);
  return absl::OkStatus();
}

absl::Status DrawRow(const MontageRow& row, int y, cv::Mat& canvas) {
  if (absl::Status status = DrawCell(row.query, {kGapPixels, y}, canvas); !status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("query: ", status.message()));
  }
  const int line_x = kGapPixels + kImagePixels + kQueryGapPixels / 2 + kGapPixels / 2;
  cv::line(canvas, {line_x, y}, {line_x, y + kImagePixels}, kFrame, 1);
  for (size_t i = 0; i < row.matches.size(); ++i) {
    const int x = kGapPixels + kCellWidth * (static_cast<int>(i) + 1) + kQueryGapPixels;
    if (absl::Status status = DrawCell(row.matches[i], {x, y}, canvas); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("match ", i + 1, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Draw(const std::vector<MontageRow>& rows) {
  size_t columns = 0;
  for (const MontageRow& row : rows) columns = std::max(columns, row.matches.size());
  const size_t width = kGapPixels + kCellWidth * (columns + 1) + kQueryGapPixels;
  const size_t height = kGapPixels + kRowHeight * rows.size();
  if (rows.empty() || width > kMaxSidePixels || height > kMaxSidePixels) {
    return absl::InvalidArgumentError(absl::StrCat("a montage of ", rows.size(), " rows and ",
                                                   columns, " matches cannot be drawn"));
  }
  cv::Mat canvas(static_cast<int>(height), static_cast<int>(width), CV_8UC3, kWhite);
  for (size_t r = 0; r < rows.size(); ++r) {
    const int y = kGapPixels + kRowHeight * static_cast<int>(r);
    if (absl::Status status = DrawRow(rows[r], y, canvas); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("row ", r + 1, ", ", status.message()));
    }
  }
  std::vector<uint8_t> png;
  if (!cv::imencode(".png", canvas, png)) return absl::InternalError("the PNG encoder failed");
  return std::string(png.begin(), png.end());
}

}  // namespace

absl::StatusOr<std::string> DrawMontage(const std::vector<MontageRow>& rows) {
  try {
    return Draw(rows);
  } catch (const cv::Exception&) {
    return absl::InternalError("the montage cannot be drawn");
  }
}

}  // namespace s2p
