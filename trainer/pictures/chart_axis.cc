#include "trainer/pictures/chart_axis.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace s2p {
namespace {

constexpr double kTolerance = 1e-9;

// Marks at 1, 2 and 5 of every decade, as far as they are within.
std::vector<double> Steps125(double from, double to) {
  std::vector<double> steps;
  for (int decade = static_cast<int>(std::floor(std::log10(from))) - 1;
       decade <= static_cast<int>(std::ceil(std::log10(to))); ++decade) {
    for (const int digit : {1, 2, 5}) {
      const double value = digit * std::pow(10, decade);
      if (value >= from * (1 - kTolerance) && value <= to * (1 + kTolerance)) {
        steps.push_back(value);
      }
    }
  }
  return steps;
}

double RoundDown125(double value) {
  const double above = RoundUp125(value);
  if (above <= value * (1 + kTolerance)) return above;
  const double digit = above / std::pow(10, std::floor(std::log10(above) + kTolerance));
  return std::round(digit) == 5 ? above * 0.4 : above * 0.5;
}

std::string Label(double value) { return absl::StrFormat("%.6g", value); }

}  // namespace

double RoundUp125(double value) {
  const double decade = std::pow(10, std::floor(std::log10(value)));
  for (const int digit : {1, 2, 5}) {
    if (value <= digit * decade * (1 + kTolerance)) return digit * decade;
  }
  return 10 * decade;
}

ChartAxis ChartAxis::Linear(double lowest, double highest) {
  ChartAxis axis;
  const double bottom = std::min(0.0, lowest);
  const double span = std::max(highest, 0.0) - bottom;
  const double step = RoundUp125((span > 0 ? span : 1) / 5);
  axis.from_ = step * std::floor(bottom / step + kTolerance);
  const double top = std::max(highest, 0.0);
  axis.to_ = std::max(step * std::ceil(top / step - kTolerance), axis.from_ + step);
  const long marks = std::lround((axis.to_ - axis.from_) / step);
  for (long i = 0; i <= marks; ++i) {
    const double value = axis.from_ + static_cast<double>(i) * step;
    // Rounding may leave a sum a little off 0.
    const double shown = std::abs(value) < step * kTolerance ? 0 : value;
    axis.ticks_.push_back({shown, Label(shown)});
  }
  return axis;
}

ChartAxis ChartAxis::Logarithmic(double lowest, double highest) {
  ChartAxis axis;
  axis.logarithmic_ = true;
  axis.from_ = RoundDown125(lowest);
  axis.to_ = RoundUp125(highest);
  if (axis.to_ <= axis.from_) axis.to_ = RoundUp125(axis.from_ * 1.5);
  // Beyond three decades only the powers of ten have labels, beyond ten only some of them.
  const double decades = std::log10(axis.to_ / axis.from_);
  const int every = std::max(1, static_cast<int>(std::ceil(decades / 10)));
  for (const double value : Steps125(axis.from_, axis.to_)) {
    const double exponent = std::log10(value);
    const bool power = std::abs(exponent - std::round(exponent)) < 1e-6;
    const bool labelled =
        decades <= 3 || (power && static_cast<int>(std::lround(exponent)) % every == 0);
    axis.ticks_.push_back({value, labelled ? Label(value) : ""});
  }
  return axis;
}

double ChartAxis::PositionOf(double value) const {
  if (logarithmic_) {
    if (value <= from_) return 0;
    return std::clamp(std::log(value / from_) / std::log(to_ / from_), 0.0, 1.0);
  }
  return std::clamp((value - from_) / (to_ - from_), 0.0, 1.0);
}

}  // namespace s2p
