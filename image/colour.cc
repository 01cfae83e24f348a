#include "image/colour.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace s2p {
namespace {

constexpr double kPi = 3.14159265358979323846;

// IEC 61966-2-1.
double Linear(uint8_t value) {
  const double share = value / 255.0;
  return share <= 0.04045 ? share / 12.92 : std::pow((share + 0.055) / 1.055, 2.4);
}

// The cube root, with a straight line near black.
double Compressed(double ratio) {
  constexpr double kDelta = 6.0 / 29;
  return ratio > kDelta * kDelta * kDelta ? std::cbrt(ratio)
                                          : ratio / (3 * kDelta * kDelta) + 4.0 / 29;
}

double Radians(double degrees) { return degrees * kPi / 180; }

// In degrees, 0 to 360; 0 for grey.
double HueOf(double a, double b) {
  if (a == 0 && b == 0) return 0;
  const double degrees = std::atan2(b, a) * 180 / kPi;
  return degrees < 0 ? degrees + 360 : degrees;
}

// A colour as CIEDE2000 sees it: chroma and hue with the axis of a stretched near grey.
struct Polar {
  double chroma = 0;
  double hue = 0;
};

Polar PolarOf(const Lab& colour, double stretch) {
  const double a = colour.a * stretch;
  return {std::hypot(a, double{colour.b}), HueOf(a, colour.b)};
}

double SeventhPowerShare(double chroma) {
  const double power = std::pow(chroma, 7);
  return std::sqrt(power / (power + std::pow(25.0, 7)));
}

// From one hue to the other, the short way round; 0 if one is grey.
double HueStep(const Polar& one, const Polar& other) {
  if (one.chroma * other.chroma == 0) return 0;
  const double step = other.hue - one.hue;
  if (step > 180) return step - 360;
  return step < -180 ? step + 360 : step;
}

double MeanHue(const Polar& one, const Polar& other) {
  const double sum = one.hue + other.hue;
  if (one.chroma * other.chroma == 0) return sum;
  if (std::abs(one.hue - other.hue) <= 180) return sum / 2;
  return sum < 360 ? (sum + 360) / 2 : (sum - 360) / 2;
}

}  // namespace

Lab LabOf(uint8_t red, uint8_t green, uint8_t blue) {
  const double r = Linear(red), g = Linear(green), b = Linear(blue);
  // Each row is divided by the white's coordinate, so that white is exactly (1, 1, 1).
  const double x = Compressed((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.9504700);
  const double y = Compressed(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
  const double z = Compressed((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.0888300);
  return {static_cast<float>(116 * y - 16), static_cast<float>(500 * (x - y)),
          static_cast<float>(200 * (y - z))};
}

absl::StatusOr<Lab> ParseColour(absl::string_view text) {
  bool good = text.size() == 7 && text[0] == '#';
  for (size_t i = 1; good && i < text.size(); ++i) {
    good = absl::ascii_isxdigit(static_cast<unsigned char>(text[i]));
  }
  if (!good) return absl::InvalidArgumentError("must be # and six hex digits, such as #c0392b");
  const std::string bytes = absl::HexStringToBytes(text.substr(1));
  return LabOf(static_cast<uint8_t>(bytes[0]), static_cast<uint8_t>(bytes[1]),
               static_cast<uint8_t>(bytes[2]));
}

// The names are those of Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", 2005,
// equations 2 to 22.
double ColourDifference(const Lab& one, const Lab& other) {
  const double chroma =
      (std::hypot(double{one.a}, double{one.b}) + std::hypot(double{other.a}, double{other.b})) / 2;
  const double stretch = 1 + 0.5 * (1 - SeventhPowerShare(chroma));
  const Polar p = PolarOf(one, stretch), q = PolarOf(other, stretch);

  const double delta_l = double{other.l} - one.l;
  const double delta_c = q.chroma - p.chroma;
  const double delta_h = 2 * std::sqrt(p.chroma * q.chroma) * std::sin(Radians(HueStep(p, q)) / 2);

  const double mean_c = (p.chroma + q.chroma) / 2;
  const double mean_h = MeanHue(p, q);
  const double t = 1 - 0.17 * std::cos(Radians(mean_h - 30)) +
                   0.24 * std::cos(Radians(2 * mean_h)) + 0.32 * std::cos(Radians(3 * mean_h + 6)) -
                   0.20 * std::cos(Radians(4 * mean_h - 63));
  const double from_middle = (double{one.l} + other.l) / 2 - 50;
  const double squared = from_middle * from_middle;
  const double s_l = 1 + 0.015 * squared / std::sqrt(20 + squared);
  const double s_c = 1 + 0.045 * mean_c;
  const double s_h = 1 + 0.015 * mean_c * t;
  const double blue = (mean_h - 275) / 25;
  const double r_t =
      -2 * SeventhPowerShare(mean_c) * std::sin(Radians(60 * std::exp(-blue * blue)));

  const double l = delta_l / s_l, c = delta_c / s_c, h = delta_h / s_h;
  // Rounding may leave a tiny negative number.
  return std::sqrt(std::max(0.0, l * l + c * c + h * h + r_t * c * h));
}

}  // namespace s2p
