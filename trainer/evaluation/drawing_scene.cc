#include "trainer/evaluation/drawing_scene.h"

#include <array>

#include "image/preprocessor.h"

namespace s2p {
namespace {

constexpr std::array<double, 3> kRulingColour = {150, 180, 220};
// Lines of a writing pad, and squares, on the height of a sheet.
constexpr int kLinesOfAPad = 28, kSquares = 40;
// Thickness of printed lines, as a share of the side.
constexpr double kRulingThickness = 1.0 / 400;
constexpr std::array<double, 3> kWood = {96, 70, 48};
// Corners lie this share of the picture away from its border, up to twice as far.
constexpr double kTableAround = 0.06;
constexpr std::array<std::array<double, 3>, 4> kMarkers = {
    {{0.1, 0.1, 0.12}, {0.1, 0.2, 0.75}, {0.8, 0.1, 0.15}, {0.05, 0.5, 0.25}}};

struct Point {
  double x = 0;
  double y = 0;
};

// A projective map of the plane, row-major.
using Projection = std::array<double, 9>;

// Maps the unit square onto a quadrilateral with corners clockwise from the top left (Heckbert,
// "Fundamentals of texture mapping and image warping", 1989, section 2.2.3).
Projection OntoCorners(const std::array<Point, 4>& at) {
  const double x1 = at[1].x - at[2].x, x2 = at[3].x - at[2].x;
  const double y1 = at[1].y - at[2].y, y2 = at[3].y - at[2].y;
  const double x3 = at[0].x - at[1].x + at[2].x - at[3].x;
  const double y3 = at[0].y - at[1].y + at[2].y - at[3].y;
  const double area = x1 * y2 - x2 * y1;
  const double g = (x3 * y2 - x2 * y3) / area, h = (x1 * y3 - x3 * y1) / area;
  return {at[1].x - at[0].x + g * at[1].x,
          at[3].x - at[0].x + h * at[3].x,
          at[0].x,
          at[1].y - at[0].y + g * at[1].y,
          at[3].y - at[0].y + h * at[3].y,
          at[0].y,
          g,
          h,
          1};
}

// Up to a factor, which does not matter.
Projection Inverse(const Projection& m) {
  return {m[4] * m[8] - m[5] * m[7], m[2] * m[7] - m[1] * m[8], m[1] * m[5] - m[2] * m[4],
          m[5] * m[6] - m[3] * m[8], m[0] * m[8] - m[2] * m[6], m[2] * m[3] - m[0] * m[5],
          m[3] * m[7] - m[4] * m[6], m[1] * m[6] - m[0] * m[7], m[0] * m[4] - m[1] * m[3]};
}

Point Apply(const Projection& m, const Point& p) {
  const double w = m[6] * p.x + m[7] * p.y + m[8];
  return {(m[0] * p.x + m[1] * p.y + m[2]) / w, (m[3] * p.x + m[4] * p.y + m[5]) / w};
}

// Between the four pixels around (x, y), which are shares of the picture.
double Sample(const Image& image, double x, double y, int channel) {
  const double column = std::clamp(x * image.width() - 0.5, 0.0, image.width() - 1.0);
  const double row = std::clamp(y * image.height() - 0.5, 0.0, image.height() - 1.0);
  const int left = std::min(static_cast<int>(column), image.width() - 2);
  const int top = std::min(static_cast<int>(row), image.height() - 2);
  const auto at = [&](int dx, int dy) {
    return double{
        static_cast<double>(image.row(top + dy)[(left + dx) * Image::kChannels + channel])};
  };
  const double right = column - left, below = row - top;
  return (at(0, 0) * (1 - right) + at(1, 0) * right) * (1 - below) +
         (at(0, 1) * (1 - right) + at(1, 1) * right) * below;
}

// 0 on one side of an edge that is `soft` wide, 1 on the other.
double Beyond(double distance, double soft) { return std::clamp(distance / soft + 0.5, 0.0, 1.0); }

}  // namespace

Image OnSheet(const Image& sketch, int width, int height, double share, double left, double top) {
  const int shorter = std::min(width, height);
  const double scale = shorter * share / std::max(sketch.width(), sketch.height());
  const auto scaled = [&](int pixels) {
    return std::clamp(static_cast<int>(std::lround(pixels * scale)), 1, shorter);
  };
  const Image drawn = Resize(sketch, scaled(sketch.width()), scaled(sketch.height()));
  Image sheet(width, height);
  const int x = static_cast<int>(left * (width - drawn.width()));
  const int y = static_cast<int>(top * (height - drawn.height()));
  for (int row = 0; row < drawn.height(); ++row) {
    std::copy_n(drawn.row(row), drawn.width() * Image::kChannels,
                sheet.row(y + row) + x * Image::kChannels);
  }
  return sheet;
}

void Rule(Image& sheet, bool squares) {
  const double every = static_cast<double>(sheet.height()) / (squares ? kSquares : kLinesOfAPad);
  const double thick = std::max(1.0, sheet.height() * kRulingThickness);
  const auto is_line = [&](int at) { return std::fmod(at + every / 2, every) < thick; };
  ChangeEach(sheet, [&](double value, int x, int y, int channel) {
    const bool printed = is_line(y) || (squares && is_line(x));
    return printed ? value * kRulingColour[static_cast<size_t>(channel)] / 255 : value;
  });
}

void Light(Image& image, double mean, double slope, std::mt19937& random) {
  std::uniform_real_distribution<double> direction(0, 2 * M_PI);
  const double angle = direction(random);
  const double across = std::cos(angle) * slope / image.width();
  const double down = std::sin(angle) * slope / image.height();
  ChangeEach(image, [&](double value, int x, int y, int) {
    return value * (mean + across * (x - image.width() / 2.0) + down * (y - image.height() / 2.0));
  });
}

void CastShadow(Image& image, std::mt19937& random) {
  std::uniform_real_distribution<double> direction(0, 2 * M_PI), offset(-0.2, 0.2), depth(0.5, 0.7),
      softness(0.01, 0.06);
  const double side = std::min(image.width(), image.height());
  const double angle = direction(random), from = offset(random) * side;
  const double left = depth(random), soft = softness(random) * side;
  ChangeEach(image, [&](double value, int x, int y, int) {
    const double distance = std::cos(angle) * (x - image.width() / 2.0) +
                            std::sin(angle) * (y - image.height() / 2.0) - from;
    return value * (1 - (1 - left) * Beyond(distance, soft));
  });
}

void AddGrain(Image& image, double deviation, std::mt19937& random) {
  std::normal_distribution<double> noise(0, deviation);
  double grain = 0;
  ChangeEach(image, [&](double value, int, int, int channel) {
    if (channel == 0) grain = noise(random);
    return value + grain;
  });
}

Image OnTable(const Image& sheet, int width, int height, std::mt19937& random) {
  std::uniform_real_distribution<double> inset(kTableAround, 2 * kTableAround);
  std::array<Point, 4> corners = {{{0, 0}, {1, 0}, {1, 1}, {0, 1}}};
  for (Point& corner : corners) {
    corner.x = (corner.x == 0 ? inset(random) : 1 - inset(random)) * width;
    corner.y = (corner.y == 0 ? inset(random) : 1 - inset(random)) * height;
  }
  const Projection to_sheet = Inverse(OntoCorners(corners));
  Image seen(width, height);
  ChangeEach(seen, [&](double, int x, int y, int channel) {
    const Point on = Apply(to_sheet, {x + 0.5, y + 0.5});
    if (on.x >= 0 && on.x < 1 && on.y >= 0 && on.y < 1) return Sample(sheet, on.x, on.y, channel);
    // Years of growth, a little curved.
    const double grain = std::sin(0.35 * y + 4 * std::sin(0.01 * x));
    return kWood[static_cast<size_t>(channel)] * (1 + 0.15 * grain);
  });
  return seen;
}

void OnWhiteboard(Image& sheet, std::mt19937& random) {
  std::uniform_real_distribution<double> place(0.2, 0.8);
  const auto& marker = kMarkers[random() % kMarkers.size()];
  const double lamp_x = place(random) * sheet.width(), lamp_y = place(random) * sheet.height();
  const double wide = 0.15 * std::max(sheet.width(), sheet.height());
  ChangeEach(sheet, [&](double value, int x, int y, int channel) {
    const double far = std::hypot(x - lamp_x, y - lamp_y) / wide;
    const double ink = (255 - value) * (1 - marker[static_cast<size_t>(channel)]) * 0.9;
    // The reflection lies over the ink as over the board.
    return (255 - ink) * (0.62 + 0.2 / (1 + 0.1 * far * far)) + 50 * std::exp(-far * far);
  });
}

}  // namespace s2p
