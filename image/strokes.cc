#include "image/strokes.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr int kMaxCanvas = 10'000;
constexpr int kMaxRasterPixels = 512;
constexpr float kMaxCoordinate = 1e5F;
constexpr float kDefaultWidthOfSide = 1.0F / 85;
// Thinner lines would fade.
constexpr double kMinRadius = 0.5;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", what));
}

bool IsCoordinate(float value) { return std::isfinite(value) && std::abs(value) <= kMaxCoordinate; }

absl::Status CheckStroke(const Stroke& stroke, int side, const std::string& field) {
  if (!std::isfinite(stroke.width) || stroke.width < 0 || stroke.width > static_cast<float>(side)) {
    return Invalid(absl::StrCat(field, ".width"), "must be from 0 to the canvas's longer side");
  }
  for (size_t j = 0; j < stroke.points.size(); ++j) {
    const StrokePoint& point = stroke.points[j];
    const auto name = [&](const char* member) {
      return absl::StrCat(field, ".points[", j, "].", member);
    };
    if (!IsCoordinate(point.x)) return Invalid(name("x"), "must be a number within +-100000");
    if (!IsCoordinate(point.y)) return Invalid(name("y"), "must be a number within +-100000");
    if (!(point.pressure >= 0 && point.pressure <= 1)) {
      return Invalid(name("pressure"), "must be from 0 to 1");
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const Strokes& strokes, const StrokeLimits& limits) {
  if (strokes.width < 1 || strokes.width > kMaxCanvas) {
    return Invalid("width", "must be 1 to 10000");
  }
  if (strokes.height < 1 || strokes.height > kMaxCanvas) {
    return Invalid("height", "must be 1 to 10000");
  }
  if (strokes.strokes.size() > limits.max_strokes) {
    return Invalid("strokes", absl::StrCat(strokes.strokes.size(), " strokes; at most ",
                                           limits.max_strokes, " are allowed"));
  }
  size_t points = 0;
  for (const Stroke& stroke : strokes.strokes) points += stroke.points.size();
  if (points == 0) return Invalid("strokes", "nothing is drawn: there is no point");
  if (points > limits.max_points) {
    return Invalid("strokes",
                   absl::StrCat(points, " points; at most ", limits.max_points, " are allowed"));
  }
  const int side = std::max(strokes.width, strokes.height);
  for (size_t i = 0; i < strokes.strokes.size(); ++i) {
    S2P_RETURN_IF_ERROR(CheckStroke(strokes.strokes[i], side, absl::StrCat("strokes[", i, "]")));
  }
  return absl::OkStatus();
}

double Square(double x) { return x * x; }

// A round end of a line, in pixels of the raster.
struct Disc {
  double x, y, radius;
};

// Covers pixels with the ink of capsules: discs swept along a line.
class Raster {
 public:
  Raster(int width, int height, double max_touched)
      : image_(width, height, 255), max_touched_(max_touched) {}

  // Returns false and stops drawing when the budget is spent.
  bool Draw(const Disc& a, const Disc& b) {
    const double reach = std::max(a.radius, b.radius) + 1;
    const double last_row = image_.height() - 1;
    const double top = std::max(0.0, std::floor(std::min(a.y, b.y) - reach));
    const double bottom = std::min(last_row, std::ceil(std::max(a.y, b.y) + reach));
    for (double y = top; y <= bottom; ++y) {
      if (!DrawRow(a, b, reach, static_cast<int>(y))) return false;
    }
    return true;
  }

  Image Take() && { return std::move(image_); }

 private:
  // Draws the part of one row that lies within `reach` of the line.
  bool DrawRow(const Disc& a, const Disc& b, double reach, int row) {
    const double y = row + 0.5;
    double t0 = 0, t1 = 1;
    if (const double dy = b.y - a.y; std::abs(dy) > 1e-9) {
      const double near = (y - reach - a.y) / dy, far = (y + reach - a.y) / dy;
      t0 = std::max(0.0, std::min(near, far));
      t1 = std::min(1.0, std::max(near, far));
      if (t0 > t1) return true;
    }
    const double x0 = a.x + t0 * (b.x - a.x), x1 = a.x + t1 * (b.x - a.x);
    const double first = std::max(0.0, std::floor(std::min(x0, x1) - reach));
    const double last = std::min(image_.width() - 1.0, std::ceil(std::max(x0, x1) + reach));
    if (first > last) return true;
    touched_ += last - first + 1;
    if (touched_ > max_touched_) return false;
    uint8_t* pixel = image_.row(row) + static_cast<int>(first) * Image::kChannels;
    for (double x = first; x <= last; ++x, pixel += Image::kChannels) {
      if (pixel[0] == 0) continue;
      const double ink = std::clamp(Coverage(a, b, x + 0.5, y), 0.0, 1.0);
      const auto value = static_cast<uint8_t>(std::lround(255 * (1 - ink)));
      if (value < pixel[0]) std::fill_n(pixel, Image::kChannels, value);
    }
    return true;
  }

  // The distance of (x, y) from the capsule's edge, positive inside, plus half a pixel:
  // approximately the covered share of the pixel.
  static double Coverage(const Disc& a, const Disc& b, double x, double y) {
    const double dx = b.x - a.x, dy = b.y - a.y;
    const double squared_length = dx * dx + dy * dy;
    double t = 0;
    if (squared_length > 1e-12) {
      t = std::clamp(((x - a.x) * dx + (y - a.y) * dy) / squared_length, 0.0, 1.0);
    }
    const double distance = std::sqrt(Square(x - a.x - t * dx) + Square(y - a.y - t * dy));
    return a.radius + t * (b.radius - a.radius) - distance + 0.5;
  }

  Image image_;
  const double max_touched_;
  double touched_ = 0;
};

Disc ToDisc(const StrokePoint& point, double width, double scale) {
  const double pressure = point.pressure == 0 ? 1.0 : static_cast<double>(point.pressure);
  return {point.x * scale, point.y * scale, std::max(kMinRadius, width * pressure * scale / 2)};
}

bool DrawStroke(const Stroke& stroke, int side, double scale, Raster& raster) {
  const double width = stroke.width > 0 ? stroke.width : kDefaultWidthOfSide * side;
  for (size_t j = 0; j < stroke.points.size(); ++j) {
    const Disc from = ToDisc(stroke.points[j == 0 ? 0 : j - 1], width, scale);
    if (j == 0 && stroke.points.size() > 1) continue;
    if (!raster.Draw(from, ToDisc(stroke.points[j], width, scale))) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Image> RasterizeStrokes(const Strokes& strokes, const StrokeLimits& limits) {
  S2P_RETURN_IF_ERROR(Check(strokes, limits));
  const int side = std::max(strokes.width, strokes.height);
  const double scale = std::min(1.0, static_cast<double>(kMaxRasterPixels) / side);
  const auto pixels = [scale](int length) {
    return std::max(1, static_cast<int>(std::lround(length * scale)));
  };
  Raster raster(pixels(strokes.width), pixels(strokes.height), limits.max_touched_pixels);
  for (const Stroke& stroke : strokes.strokes) {
    if (!DrawStroke(stroke, side, scale, raster)) {
      return Invalid("strokes", "too much ink: use fewer points or thinner lines");
    }
  }
  return std::move(raster).Take();
}

}  // namespace s2p
