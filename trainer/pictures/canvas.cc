#include "trainer/pictures/canvas.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <new>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/file.h"

namespace s2p {
namespace {

constexpr int kMaxSidePixels = 16384;
// Pixels of the sheet for one of the picture, along each side.
constexpr int kOversampling = 2;
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
// Height of a capital letter of kFont at scale 1.
constexpr double kCapitalPixels = 21;
// Stroke of a letter as a share of its height.
constexpr double kStrokeShare = 0.11;
// OpenCV takes coordinates in 1/16 of a pixel.
constexpr int kShift = 4;

// The sheet keeps RGB, as Image does.
cv::Scalar ScalarOf(Color color) { return {1.0 * color.red, 1.0 * color.green, 1.0 * color.blue}; }

cv::Point SubPixel(CanvasPoint point) {
  const double scale = kOversampling * (1 << kShift);
  // OpenCV counts from the centre of the first pixel.
  return {static_cast<int>(std::lround(point.x * scale - (1 << kShift) / 2.0)),
          static_cast<int>(std::lround(point.y * scale - (1 << kShift) / 2.0))};
}

cv::Rect RectOf(const CanvasBox& box) {
  const cv::Point from(static_cast<int>(std::lround(box.x * kOversampling)),
                       static_cast<int>(std::lround(box.y * kOversampling)));
  const cv::Point to(static_cast<int>(std::lround((box.x + box.width) * kOversampling)),
                     static_cast<int>(std::lround((box.y + box.height) * kOversampling)));
  return {from, to};
}

int ThicknessOf(double thickness) {
  return std::max(1, static_cast<int>(std::lround(thickness * kOversampling)));
}

double FontScale(double size) { return size * kOversampling / kCapitalPixels; }

int FontStroke(double size) {
  return std::max(1, static_cast<int>(std::lround(size * kOversampling * kStrokeShare)));
}

std::string Ascii(absl::string_view text) {
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    // The further bytes of a character in UTF-8 are not shown.
    if ((byte & 0xC0) != 0x80) shown.push_back(byte < ' ' || byte > '~' ? '?' : c);
  }
  return shown;
}

}  // namespace

struct Canvas::Sheet {
  cv::Mat pixels;
  absl::Status status;
};

Canvas::Canvas(std::unique_ptr<Sheet> sheet) : sheet_(std::move(sheet)) {}
Canvas::Canvas(Canvas&&) noexcept = default;
Canvas& Canvas::operator=(Canvas&&) noexcept = default;
Canvas::~Canvas() = default;

template <typename Draw>
void Canvas::Try(const Draw& draw) {
  try {
    draw(sheet_->pixels);
  } catch (const std::exception& error) {
    if (sheet_->status.ok()) {
      sheet_->status = absl::InternalError(absl::StrCat("cannot draw: ", error.what()));
    }
  }
}

absl::StatusOr<Canvas> Canvas::Create(int width, int height) {
  if (std::min(width, height) < 1 || std::max(width, height) > kMaxSidePixels) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a picture of ", width, " x ", height, " pixels: each side must be 1 to ", kMaxSidePixels));
  }
  try {
    auto sheet = std::make_unique<Sheet>();
    sheet->pixels =
        cv::Mat(height * kOversampling, width * kOversampling, CV_8UC3, cv::Scalar::all(255));
    return Canvas(std::move(sheet));
  } catch (const std::exception&) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for a picture of ", width, " x ", height, " pixels"));
  }
}

void Canvas::FillBox(const CanvasBox& box, Color color) {
  Try([&](cv::Mat& sheet) { cv::rectangle(sheet, RectOf(box), ScalarOf(color), cv::FILLED); });
}

void Canvas::FrameBox(const CanvasBox& box, double thickness, Color color) {
  const double t = thickness;
  const double tall = box.height + 2 * t;
  FillBox({box.x - t, box.y - t, box.width + 2 * t, t}, color);
  FillBox({box.x - t, box.y + box.height, box.width + 2 * t, t}, color);
  FillBox({box.x - t, box.y - t, t, tall}, color);
  FillBox({box.x + box.width, box.y - t, t, tall}, color);
}

void Canvas::DrawLine(CanvasPoint from, CanvasPoint to, double thickness, Color color) {
  DrawPath({from, to}, thickness, color);
}

void Canvas::DrawDashes(CanvasPoint from, CanvasPoint to, double thickness, Color color) {
  constexpr double kDash = 6, kGap = 4;
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  const auto along = [&](double at) {
    const double share = length > 0 ? std::min(at, length) / length : 0;
    return CanvasPoint{from.x + share * (to.x - from.x), from.y + share * (to.y - from.y)};
  };
  for (double at = 0; at < length; at += kDash + kGap) {
    DrawLine(along(at), along(at + kDash), thickness, color);
  }
}

void Canvas::DrawPath(const std::vector<CanvasPoint>& points, double thickness, Color color) {
  std::vector<cv::Point> path;
  for (const CanvasPoint& point : points) path.push_back(SubPixel(point));
  Try([&](cv::Mat& sheet) {
    cv::polylines(sheet, path, /*isClosed=*/false, ScalarOf(color), ThicknessOf(thickness),
                  cv::LINE_AA, kShift);
  });
}

void Canvas::DrawDot(CanvasPoint center, double radius, Color color) {
  Try([&](cv::Mat& sheet) {
    cv::circle(sheet, SubPixel(center),
               static_cast<int>(std::lround(radius * kOversampling * (1 << kShift))),
               ScalarOf(color), cv::FILLED, cv::LINE_AA, kShift);
  });
}

void Canvas::DrawText(absl::string_view text, CanvasPoint at, double size, Color color,
                      TextAlign align) {
  double x = at.x;
  if (align == TextAlign::kRight) x -= TextWidth(text, size);
  if (align == TextAlign::kCenter) x -= TextWidth(text, size) / 2;
  const cv::Point origin(static_cast<int>(std::lround(x * kOversampling)),
                         static_cast<int>(std::lround(at.y * kOversampling)));
  Try([&](cv::Mat& sheet) {
    cv::putText(sheet, Ascii(text), origin, kFont, FontScale(size), ScalarOf(color),
                FontStroke(size), cv::LINE_AA);
  });
}

void Canvas::DrawTextUpwards(absl::string_view text, CanvasPoint at, double size, Color color) {
  Try([&](cv::Mat& sheet) {
    int below = 0;
    const cv::Size extent =
        cv::getTextSize(Ascii(text), kFont, FontScale(size), FontStroke(size), &below);
    const int margin = FontStroke(size) + 1;
    const int base_line = extent.height + margin;
    cv::Mat strip(base_line + below + margin, extent.width + 2 * margin, CV_8UC3,
                  cv::Scalar::all(255));
    cv::putText(strip, Ascii(text), {margin, base_line}, kFont, FontScale(size), ScalarOf(color),
                FontStroke(size), cv::LINE_AA);
    cv::Mat turned;
    cv::rotate(strip, turned, cv::ROTATE_90_COUNTERCLOCKWISE);
    const cv::Rect place(static_cast<int>(std::lround(at.x * kOversampling)) - base_line,
                         static_cast<int>(std::lround(at.y * kOversampling)) - turned.rows / 2,
                         turned.cols, turned.rows);
    const cv::Rect shown = place & cv::Rect({0, 0}, sheet.size());
    if (shown.empty()) return;
    cv::Mat target = sheet(shown);
    // Darkest of both, so that the strip's paper hides nothing.
    cv::min(target, turned(shown - place.tl()), target);
  });
}

void Canvas::DrawImage(const Image& image, const CanvasBox& box) {
  if (image.empty()) return;
  Try([&](cv::Mat& sheet) {
    const cv::Mat pixels(image.height(), image.width(), CV_8UC3,
                         const_cast<uint8_t*>(image.pixels().data()));
    const cv::Rect place = RectOf(box);
    const double scale =
        std::min(1.0 * place.width / pixels.cols, 1.0 * place.height / pixels.rows);
    const cv::Size size(std::max(1, static_cast<int>(std::lround(pixels.cols * scale))),
                        std::max(1, static_cast<int>(std::lround(pixels.rows * scale))));
    cv::Mat shown;
    cv::resize(pixels, shown, size, 0, 0, scale < 1 ? cv::INTER_AREA : cv::INTER_CUBIC);
    const cv::Rect target(place.x + (place.width - size.width) / 2,
                          place.y + (place.height - size.height) / 2, size.width, size.height);
    const cv::Rect visible = target & cv::Rect({0, 0}, sheet.size());
    if (visible.empty()) return;
    cv::Mat part = sheet(visible);
    shown(visible - target.tl()).copyTo(part);
  });
}

std::string Canvas::CutToWidth(absl::string_view text, double size, double width) {
  std::string shown = Ascii(text);
  if (TextWidth(shown, size) <= width) return shown;
  while (!shown.empty() && TextWidth(shown + "..", size) > width) shown.pop_back();
  return shown + "..";
}

double Canvas::TextWidth(absl::string_view text, double size) {
  int below = 0;
  return 1.0 *
         cv::getTextSize(Ascii(text), kFont, FontScale(size), FontStroke(size), &below).width /
         kOversampling;
}

absl::StatusOr<Image> Canvas::Finish() const {
  if (!sheet_->status.ok()) return sheet_->status;
  try {
    Image image(sheet_->pixels.cols / kOversampling, sheet_->pixels.rows / kOversampling);
    cv::Mat pixels(image.height(), image.width(), CV_8UC3, image.row(0));
    cv::resize(sheet_->pixels, pixels, pixels.size(), 0, 0, cv::INTER_AREA);
    return image;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("no memory for the finished picture");
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("cannot draw: ", error.what()));
  }
}

absl::Status WritePicture(const Image& image, const std::string& path) {
  const auto png = EncodePng(image);
  if (!png.ok())
    return absl::Status(png.status().code(), absl::StrCat(path, ": ", png.status().message()));
  const std::string temporary = path + ".tmp";
  if (absl::Status status = WriteFileSynced(temporary, {absl::string_view(*png)}); !status.ok()) {
    std::remove(temporary.c_str());
    return status;
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error_number = errno;
    std::remove(temporary.c_str());
    return FileError(error_number, path, "rename");
  }
  return absl::OkStatus();
}

}  // namespace s2p
