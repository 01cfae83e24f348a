#include "trainer/shoes/shoe_outline.h"

#include <algorithm>
#include <cmath>

namespace s2p {
namespace {

// Where the ball of the foot ends and the heel seat begins.
constexpr double kBall = 0.3;
constexpr double kHeelSeat = 0.8;
// Where the instep meets the ankle.
constexpr double kInstep = 0.62;
constexpr double kAnkle = 0.79;

double Step(double t) {
  t = std::clamp(t, 0.0, 1.0);
  return t * t * (3 - 2 * t);
}

}  // namespace

double Distance(ShoePoint a, ShoePoint b) { return std::hypot(a.x - b.x, a.y - b.y); }

ShoeCurve Smooth(const ShoeCurve& through, int steps) {
  const auto at = [&](int i) {
    return through[static_cast<size_t>(std::clamp(i, 0, static_cast<int>(through.size()) - 1))];
  };
  ShoeCurve curve;
  for (int i = 0; i + 1 < static_cast<int>(through.size()); ++i) {
    const ShoePoint a = at(i - 1), b = at(i), c = at(i + 1), d = at(i + 2);
    for (int step = 0; step < steps; ++step) {
      const double t = static_cast<double>(step) / steps;
      const auto blend = [t](double p, double q, double r, double s) {
        return 0.5 * (2 * q +
                      t * (r - p + t * (2 * p - 5 * q + 4 * r - s + t * (3 * q - p - 3 * r + s))));
      };
      curve.push_back({blend(a.x, b.x, c.x, d.x), blend(a.y, b.y, c.y, d.y)});
    }
  }
  curve.push_back(through.back());
  return curve;
}

ShoeCurve Band(const ShoeCurve& curve, double first_width, double last_width) {
  ShoeCurve left, right;
  const size_t n = curve.size();
  for (size_t i = 0; i < n; ++i) {
    const ShoePoint before = curve[i == 0 ? 0 : i - 1];
    const ShoePoint after = curve[std::min(i + 1, n - 1)];
    const double length = std::max(1e-9, Distance(before, after));
    const double t = n > 1 ? static_cast<double>(i) / static_cast<double>(n - 1) : 0;
    const double half = (first_width + (last_width - first_width) * t) / 2;
    const double dx = -(after.y - before.y) / length * half;
    const double dy = (after.x - before.x) / length * half;
    left.push_back({curve[i].x + dx, curve[i].y + dy});
    right.push_back({curve[i].x - dx, curve[i].y - dy});
  }
  Append(Reversed(right), left);
  return left;
}

ShoeCurve Ellipse(ShoePoint centre, double radius_x, double radius_y, double tilt) {
  ShoeCurve curve;
  constexpr int kSteps = 28;
  for (int i = 0; i < kSteps; ++i) {
    const double x = radius_x * std::cos(2 * kPi * i / kSteps);
    const double y = radius_y * std::sin(2 * kPi * i / kSteps);
    curve.push_back({centre.x + x * std::cos(tilt) - y * std::sin(tilt),
                     centre.y + x * std::sin(tilt) + y * std::cos(tilt)});
  }
  return curve;
}

ShoePoint Along(const ShoeCurve& curve, double fraction) {
  double length = 0;
  for (size_t i = 1; i < curve.size(); ++i) length += Distance(curve[i - 1], curve[i]);
  double left = std::clamp(fraction, 0.0, 1.0) * length;
  for (size_t i = 1; i < curve.size(); ++i) {
    const double step = Distance(curve[i - 1], curve[i]);
    if (left <= step && step > 0) return Between(curve[i - 1], curve[i], left / step);
    left -= step;
  }
  return curve.back();
}

ShoeCurve Piece(const ShoeCurve& curve, double from, double to) {
  ShoeCurve piece;
  constexpr int kSteps = 24;
  for (int i = 0; i <= kSteps; ++i) piece.push_back(Along(curve, from + (to - from) * i / kSteps));
  return piece;
}

void Append(const ShoeCurve& more, ShoeCurve& curve) {
  curve.insert(curve.end(), more.begin(), more.end());
}

ShoeCurve Reversed(ShoeCurve curve) {
  std::reverse(curve.begin(), curve.end());
  return curve;
}

ShoeOutline::ShoeOutline(const ShoeShape& shape, double lift) : shape_(shape), lift_(lift) {
  TraceFront();
  if (shape_.boot()) {
    TraceBoot();
  } else {
    TraceLowShoe();
  }
}

double ShoeOutline::Base(double x) const {
  const double spring = std::max(0.0, (kBall - x) / kBall);
  return shape_.sole + shape_.platform + shape_.toe_spring * spring * spring +
         shape_.heel_height * Step((x - kBall) / (kHeelSeat - kBall));
}

double ShoeOutline::Underside(double x) const {
  const double spring = std::max(0.0, (kBall - x) / kBall);
  const double ramp = shape_.toe_spring * spring * spring;
  if (shape_.heel == HeelKind::kNone || shape_.heel == HeelKind::kWedge) return ramp;
  return Base(x) - shape_.sole - shape_.platform * (1 - Step((x - kBall) / 0.22));
}

double ShoeOutline::Top(double x) const {
  const double a = shape_.toe_length;
  if (x >= a) {
    const double along = std::min(1.0, (x - a) / (kInstep - a));
    return Base(x) + shape_.toe_height +
           (shape_.instep - shape_.toe_height) * std::pow(along, 1.25);
  }
  const double inward = std::clamp((a - x) / (a - tip()), 0.0, 1.0);
  const double n = shape_.toe_bluntness;
  return Base(x) + shape_.toe_height * std::pow(1 - std::pow(inward, n), 1 / n);
}

ShoeCurve ShoeOutline::BaseCurve(double from, double to) const {
  ShoeCurve curve;
  constexpr int kSteps = 40;
  for (int i = 0; i <= kSteps; ++i) {
    const double x = from + (to - from) * i / kSteps;
    curve.push_back({x, Base(x)});
  }
  return curve;
}

void ShoeOutline::TraceFront() {
  const double until = shape_.boot() ? 0.55 : shape_.throat;
  double from = tip();
  if (shape_.toe_opening > 0) {
    const double x = shape_.toe_opening;
    from = x + 0.05;
    front_ = Smooth(
        {{x + 0.03, Base(x + 0.03)}, {x, (Base(x) + Top(from)) / 2 + 0.01}, {from, Top(from)}}, 6);
  } else {
    front_.push_back({from, Base(from)});
  }
  constexpr int kSteps = 48;
  for (int i = 1; i <= kSteps; ++i) {
    // Denser at the tip, where the curve is steep.
    const double t = static_cast<double>(i) / kSteps;
    const double x = from + (until - from) * t * t;
    front_.push_back({x, Top(x)});
  }
}

void ShoeOutline::TraceLowShoe() {
  const ShoePoint throat = front_.back();
  const double seat = shape_.ground_to_heel_seat();
  if (shape_.mule > 0) {
    const ShoePoint end{shape_.mule, Base(shape_.mule)};
    topline_ = Smooth({throat,
                       {throat.x + 0.55 * (end.x - throat.x), throat.y - 0.22 * (throat.y - end.y)},
                       {throat.x + 0.9 * (end.x - throat.x), throat.y - 0.66 * (throat.y - end.y)},
                       end});
  } else {
    const ShoePoint back{0.985, seat + shape_.back};
    const double x = throat.x + (0.2 + 0.5 * shape_.dip) * (back.x - throat.x);
    const ShoePoint low{x, std::min(Base(x) + shape_.side, Between(throat, back, 0.5).y)};
    const ShoePoint before = Between(throat, low, 0.55);
    const ShoePoint after = Between(low, back, 0.5);
    topline_ = Smooth({throat,
                       {before.x, before.y - 0.12 * std::abs(throat.y - low.y)},
                       low,
                       {after.x, after.y - 0.1 * std::abs(back.y - low.y)},
                       back});
    back_ = Smooth({back, {1.005, seat + 0.5 * shape_.back}, {0.985, seat}});
  }
  const size_t last = topline_.size() - 1;
  for (size_t i = 0; i <= last; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(last);
    const double rise = lift_ * std::sqrt(std::sin(kPi * t));
    far_topline_.push_back({topline_[i].x + 0.25 * rise, topline_[i].y + rise});
  }
}

void ShoeOutline::TraceBoot() {
  const double seat = shape_.ground_to_heel_seat();
  const double ankle = seat + shape_.instep + 0.05;
  const double top = ankle + shape_.shaft;
  const double middle = kAnkle + shape_.shaft_lean;
  const double half = shape_.shaft_width / 2;
  const double calf = ankle + 0.6 * shape_.shaft;
  ShoeCurve front{front_.back(), {kAnkle - shape_.ankle / 2, ankle}};
  if (shape_.shaft > 0.4) front.push_back({kAnkle + 0.6 * shape_.shaft_lean - half, calf});
  const ShoePoint front_top{middle - half - shape_.shaft_flare, top};
  front.push_back(front_top);
  Append(Smooth(front), front_);

  const ShoePoint back_top{middle + half + shape_.shaft_flare, top - shape_.shaft_slope};
  constexpr int kSteps = 20;
  for (int i = 0; i <= kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const double bow = lift_ * std::sqrt(std::sin(kPi * t));
    const ShoePoint point = Between(front_top, back_top, t);
    topline_.push_back({point.x, point.y - 0.5 * bow});
    far_topline_.push_back({point.x, point.y + 0.8 * bow});
  }
  ShoeCurve back{back_top};
  if (shape_.shaft > 0.4) back.push_back({kAnkle + 0.6 * shape_.shaft_lean + half, calf});
  Append({{kAnkle + shape_.ankle / 2, ankle - 0.03}, {1.0, seat + 0.12}, {0.985, seat}}, back);
  back_ = Smooth(back);
}

ShoeCurve ShoeOutline::Upper() const {
  ShoeCurve outline = front_;
  Append(topline_, outline);
  Append(back_, outline);
  Append(Reversed(BaseCurve(front_.front().x, end())), outline);
  return outline;
}

}  // namespace s2p
