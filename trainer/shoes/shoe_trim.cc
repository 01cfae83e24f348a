// The parts on the upper: panels, closures, buckles, ornaments.
#include <algorithm>
#include <cmath>

#include "trainer/shoes/shoe_drawing.h"

namespace s2p {
namespace {

double LengthOf(const ShoeCurve& curve) {
  double length = 0;
  for (size_t i = 1; i < curve.size(); ++i) length += Distance(curve[i - 1], curve[i]);
  return length;
}

// The unit vector from a curve's point to its right-hand side: inward from the front of the shoe.
ShoePoint Inward(const ShoeCurve& curve, double fraction) {
  const ShoePoint a = Along(curve, std::max(0.0, fraction - 0.03));
  const ShoePoint b = Along(curve, std::min(1.0, fraction + 0.03));
  const double length = std::max(1e-9, Distance(a, b));
  return {(b.y - a.y) / length, -(b.x - a.x) / length};
}

ShoePoint Moved(ShoePoint point, ShoePoint direction, double by) {
  return {point.x + by * direction.x, point.y + by * direction.y};
}

// Traces panels, stripes and the closure of one upper.
class Trim {
 public:
  Trim(const ShoeOutline& outline, int upper, ShoeDrawing& drawing)
      : outline_(outline), s_(outline.shape()), upper_(upper), drawing_(drawing) {}

  void Panels() {
    if (s_.guard > 0) Guard();
    if (s_.toe_cap > 0) ToeCap();
    if (s_.counter > 0) Counter();
    if (s_.seam > 0) {
      const double top = std::min(outline_.Top(s_.seam), outline_.Base(s_.seam) + 0.5);
      Line(Smooth({{s_.seam, outline_.Base(s_.seam)},
                   {s_.seam + s_.seam_bend, (outline_.Base(s_.seam) + top) / 2},
                   {s_.seam + 0.4 * s_.seam_bend + 0.05, top + 0.02}}),
           0.75);
    }
    if (s_.apron > 0) Apron();
    Stripes();
    Cutouts();
    if (s_.collar > 0) Collar();
    if (s_.stitching) Stitches();
  }

  void ClosureParts() {
    switch (s_.closure) {
      case Closure::kLaces:
        return Laces();
      case Closure::kVelcro:
        return Velcro();
      case Closure::kZip:
        return Zip();
      case Closure::kElastic:
        return Elastic();
      case Closure::kBuckle:
        if (s_.boot()) BuckledStraps();
        return;
      case Closure::kNone:
        return;
    }
  }

  void ShaftEdge() {
    if (s_.cuff > 0) {
      ShoeCurve lower;
      for (const ShoePoint& point : outline_.topline()) {
        lower.push_back({point.x, point.y - s_.cuff});
      }
      ShoeCurve cuff = outline_.topline();
      cuff.front().x -= 0.012;
      cuff.back().x += 0.012;
      lower.front().x -= 0.02;
      lower.back().x += 0.02;
      Append(Reversed(lower), cuff);
      drawing_.Add(s_.fur ? ShoeMaterial::kFur : ShoeMaterial::kTrim, cuff);
    }
    if (s_.pull_loop) {
      const ShoePoint at = outline_.topline().back();
      drawing_.Add(ShoeMaterial::kTrim,
                   Band(Smooth({{at.x - 0.01, at.y - 0.05},
                                {at.x + 0.035, at.y + 0.005},
                                {at.x - 0.012, at.y + 0.03}}),
                        0.018, 0.018),
                   0.7);
    }
  }

 private:
  void Line(ShoeCurve points, double salience) {
    drawing_.AddLine(ShoeLineKind::kSeam, std::move(points), salience, upper_);
  }

  void Guard() {
    ShoeCurve guard;
    for (double x = outline_.tip() - 0.02; x <= 1.03; x += 0.02) {
      guard.push_back({x, outline_.Base(x) + s_.guard + s_.guard_wave * std::sin(2.6 * kPi * x)});
    }
    Append(Reversed(outline_.BaseCurve(outline_.tip() - 0.02, 1.03)), guard);
    drawing_.Add(ShoeMaterial::kAccent, guard, 0.8, upper_);
  }

  void ToeCap() {
    const double x = outline_.tip() + s_.toe_cap;
    const double base = outline_.Base(x);
    const double top_x = x + s_.toe_cap_bend;
    const double top = outline_.Top(top_x) + 0.02;
    const ShoeCurve edge = Smooth(
        {{x, base - 0.02}, {x + 0.5 * s_.toe_cap_bend + 0.03, (base + top) / 2}, {top_x, top}});
    if (!s_.toe_cap_filled) return Line(edge, 0.85);
    ShoeCurve cap = edge;
    Append({{outline_.tip() - 0.05, top + 0.05}, {outline_.tip() - 0.05, base - 0.05}}, cap);
    drawing_.Add(ShoeMaterial::kAccent, cap, 0.85, upper_);
  }

  void Counter() {
    const double x = 0.985 - s_.counter;
    const double base = outline_.Base(x);
    const double top = s_.ground_to_heel_seat() + (s_.boot() ? 0.3 : s_.back) + 0.02;
    ShoeCurve counter = Smooth({{x, base - 0.02},
                                {x + 0.15 * s_.counter, base + 0.45 * (top - base)},
                                {x + 0.7 * s_.counter, base + 0.8 * (top - base)},
                                {1.03, base + 0.9 * (top - base)}});
    counter.push_back({1.05, base - 0.05});
    drawing_.Add(ShoeMaterial::kAccent, counter, 0.8, upper_);
  }

  void Apron() {
    const double from = outline_.tip() + 0.03;
    const double to = s_.throat;
    const ShoePoint start{from, outline_.Base(from) + 0.8 * s_.toe_height};
    const auto inner = [&](double t) {
      const double x = from + (to - from) * t;
      const double height = outline_.Top(x) - outline_.Base(x);
      return ShoePoint{x, outline_.Base(x) + (0.5 + 0.12 * s_.apron) * height};
    };
    const ShoeCurve edge =
        Smooth({start, inner(0.2), inner(0.45), inner(0.75), {to + 0.03, outline_.Top(to) - 0.03}});
    Line(edge, 0.85);
    for (int i = 1; i < 12; ++i) {
      const ShoePoint at = Along(edge, i / 12.0);
      drawing_.AddLine(ShoeLineKind::kStitches, {{at.x, at.y - 0.012}, {at.x, at.y + 0.012}}, 0.3,
                       upper_);
    }
  }

  void Stripes() {
    for (int i = 0; i < s_.stripes; ++i) {
      const double x = s_.stripe_at + 2.1 * s_.stripe_width * (i - 0.5 * (s_.stripes - 1));
      drawing_.Add(ShoeMaterial::kAccent,
                   Band(Smooth({{x - s_.stripe_tilt, outline_.Base(x) - 0.02},
                                {x, outline_.Base(x) + 0.1},
                                {x + s_.stripe_tilt, outline_.Top(x) + 0.02}}),
                        s_.stripe_width, s_.stripe_width),
                   0.85, upper_);
    }
  }

  void Cutouts() {
    for (int i = 0; i < s_.cutouts; ++i) {
      const double x = s_.cutout_at + 2.6 * s_.cutout_size * (i - 0.5 * (s_.cutouts - 1));
      const double height = outline_.Top(x) - outline_.Base(x);
      drawing_.Add(ShoeMaterial::kLining,
                   Ellipse({x, outline_.Base(x) + 0.55 * height}, s_.cutout_size,
                           s_.cutout_size * s_.cutout_stretch, -0.4),
                   0.9, upper_);
    }
  }

  void Collar() {
    const ShoeCurve& topline = outline_.topline();
    if (!s_.fur) {
      drawing_.Add(ShoeMaterial::kTrim, Band(topline, 2 * s_.collar, 2 * s_.collar), 0.8, upper_);
      return;
    }
    drawing_.Add(ShoeMaterial::kFur, Band(Piece(topline, 0, 1), 2 * s_.collar, 2 * s_.collar), 1);
  }

  void Stitches() {
    ShoeCurve low;
    for (double x = outline_.tip(); x <= 1; x += 0.02) {
      low.push_back({x, outline_.Base(x) + 0.025});
    }
    drawing_.AddLine(ShoeLineKind::kStitches, low, 0.25, upper_);
    ShoeCurve edge;
    for (const ShoePoint& point : outline_.topline()) edge.push_back({point.x, point.y - 0.025});
    drawing_.AddLine(ShoeLineKind::kStitches, edge, 0.25, upper_);
  }

  // The part of the front that the closure takes.
  ShoeCurve ClosurePath() const {
    const double wanted =
        s_.boot() ? s_.shaft + 0.14 + 0.14 * s_.closure_size : 0.15 + 0.13 * s_.closure_size;
    const double length = LengthOf(outline_.front());
    return Piece(outline_.front(), std::max(0.3, 1 - wanted / length), 0.985);
  }

  void Laces() {
    const ShoeCurve path = ClosurePath();
    const double reach = s_.boot() ? 0.085 : 0.07;
    const int stay =
        drawing_.Add(ShoeMaterial::kAccent, Band(path, 2.6 * reach, 2.4 * reach), 0.7, upper_);
    for (int i = 0; i < s_.rows; ++i) {
      const double t = (i + 0.3) / s_.rows;
      const double next = std::min(1.0, (i + 1.0) / s_.rows);
      const ShoePoint eyelet = Moved(Along(path, t), Inward(path, t), reach);
      drawing_.AddLine(ShoeLineKind::kCord,
                       {eyelet, Moved(Along(path, next), Inward(path, next), -0.012)}, 0.85, -1);
      if (s_.closure_tilt > 0) {
        drawing_.AddLine(ShoeLineKind::kCord,
                         {Moved(Along(path, t), Inward(path, t), -0.012),
                          Moved(Along(path, next), Inward(path, next), reach)},
                         0.75, -1);
      }
      drawing_.Add(ShoeMaterial::kMetal, Ellipse(eyelet, 0.009, 0.009), 0.2, stay);
    }
    if (!s_.bow) return;
    const ShoePoint knot = Along(path, 0.97);
    for (const double side : {-1.0, 1.0}) {
      drawing_.AddLine(ShoeLineKind::kCord,
                       Smooth({knot,
                               {knot.x + side * 0.05, knot.y + 0.035},
                               {knot.x + side * 0.085, knot.y},
                               {knot.x + side * 0.045, knot.y - 0.025},
                               knot}),
                       0.8);
      drawing_.AddLine(ShoeLineKind::kCord,
                       Smooth({knot,
                               {knot.x + side * 0.03, knot.y - 0.05},
                               {knot.x + side * 0.06, knot.y - 0.085}}),
                       0.6);
    }
  }

  void Velcro() {
    const ShoeCurve path = ClosurePath();
    const double width = std::min(0.075, 0.5 * LengthOf(path) / s_.rows + 0.02);
    for (int i = 0; i < s_.rows; ++i) {
      const double t = (i + 0.6) / (s_.rows + 0.2);
      const ShoePoint start = Moved(Along(path, t), Inward(path, t), -0.008);
      const ShoePoint end = Moved(start, Inward(path, t), 0.13 + 0.08 * s_.closure_size);
      ShoeCurve strap = Band({start, Between(start, end, 0.5), end}, width, width);
      const ShoePoint cap = Between(strap[2], strap[3], 0.5);
      strap.insert(strap.begin() + 3, Moved(cap, Inward(path, t), 0.02));
      const int part = drawing_.Add(ShoeMaterial::kTrim, strap);
      drawing_.AddLine(ShoeLineKind::kSeam,
                       Band({Between(start, end, 0.62), Between(start, end, 0.72)}, width, width),
                       0.3, part);
    }
  }

  void Zip() {
    const ShoePoint front = outline_.topline().front();
    const ShoePoint back = outline_.topline().back();
    const ShoePoint top = Between(front, back, 0.25 + 0.5 * s_.closure_at);
    const double x = top.x + 0.1 * s_.closure_tilt - 0.02;
    const double low = outline_.Base(x) + 0.05 + 0.12 * (1 - s_.closure_size);
    const ShoeCurve path = Smooth({{x, low},
                                   {(x + top.x) / 2 - 0.02 * s_.closure_tilt, (low + top.y) / 2},
                                   {top.x, top.y - 0.01}});
    const int tape = drawing_.Add(ShoeMaterial::kTrim, Band(path, 0.034, 0.034), 0.9, upper_);
    drawing_.AddLine(ShoeLineKind::kSeam, path, 0.6, tape);
    const int teeth = static_cast<int>(LengthOf(path) / 0.03);
    for (int i = 1; i < teeth; ++i) {
      const double t = static_cast<double>(i) / teeth;
      const ShoePoint at = Along(path, t);
      drawing_.AddLine(ShoeLineKind::kStitches,
                       {Moved(at, Inward(path, t), -0.012), Moved(at, Inward(path, t), 0.012)},
                       0.45, tape);
    }
    const ShoePoint puller = Along(path, 0.95);
    drawing_.Add(ShoeMaterial::kMetal, Ellipse({puller.x, puller.y - 0.03}, 0.011, 0.032), 0.8);
  }

  void Elastic() {
    ShoeCurve gore;
    double left, right, top, bottom;
    if (s_.boot()) {
      const ShoePoint middle = Between(outline_.topline().front(), outline_.topline().back(),
                                       0.35 + 0.3 * s_.closure_at);
      const double half = 0.05 + 0.05 * s_.closure_size;
      left = middle.x - half;
      right = middle.x + half;
      top = middle.y + 0.05;
      bottom = std::max(s_.ground_to_heel_seat() + 0.14, top - 0.2 - 0.2 * s_.closure_size);
      gore = Smooth({{left, top},
                     {left + 0.3 * half, (top + bottom) / 2},
                     {middle.x, bottom},
                     {right - 0.3 * half, (top + bottom) / 2},
                     {right, top}});
    } else {
      left = s_.throat - 0.03;
      right = s_.throat + 0.06 + 0.06 * s_.closure_size;
      top = outline_.Top(s_.throat) + 0.02;
      bottom = outline_.Base(s_.throat) + 0.06;
      gore = {{left, top}, {(left + right) / 2, bottom}, {right, top}};
    }
    const int part = drawing_.Add(ShoeMaterial::kAccent, gore, 0.95, upper_);
    for (int i = 1; i < 6; ++i) {
      const double x = left + (right - left) * i / 6;
      drawing_.AddLine(ShoeLineKind::kSeam, {{x, bottom}, {x, top}}, 0.45, part);
    }
  }

  void BuckledStraps() {
    const double low = s_.ground_to_heel_seat() + 0.16;
    const double high = s_.ground_to_heel_seat() + s_.instep + s_.shaft - 0.02;
    for (int i = 0; i < s_.rows; ++i) {
      const double share = s_.rows == 1 ? s_.closure_at : (i + 0.5) / s_.rows;
      const double y = low + (high - low) * share;
      const double drop = 0.09 * s_.closure_tilt;
      const double width = 0.03 + 0.04 * s_.closure_size;
      const ShoePoint left{0.35, y - drop};
      const ShoePoint right{1.1, y + drop};
      drawing_.Add(ShoeMaterial::kTrim,
                   Band(Smooth({left, {0.75, y - 0.015}, right}), width, width), 1, upper_);
      DrawBuckle({0.7 + 0.15 * s_.closure_at, y - 0.012}, 0.6 * width + 0.018, drop, drawing_);
    }
  }

  const ShoeOutline& outline_;
  const ShoeShape& s_;
  const int upper_;
  ShoeDrawing& drawing_;
};

}  // namespace

void DrawTrim(const ShoeOutline& outline, int upper, ShoeDrawing& drawing) {
  Trim trim(outline, upper, drawing);
  trim.Panels();
  trim.ClosureParts();
  trim.ShaftEdge();
}

void DrawBuckle(ShoePoint centre, double size, double tilt, ShoeDrawing& drawing) {
  const auto frame = [&](double scale) {
    ShoeCurve square;
    for (const auto& [x, y] : {std::pair{-1.0, -1.0}, {1.0, -1.0}, {1.0, 1.0}, {-1.0, 1.0}}) {
      const double dx = x * size * scale;
      const double dy = y * size * scale * 0.85;
      square.push_back({centre.x + dx * std::cos(tilt) - dy * std::sin(tilt),
                        centre.y + dx * std::sin(tilt) + dy * std::cos(tilt)});
    }
    return square;
  };
  drawing.Add(ShoeMaterial::kMetal, frame(1), 0.9);
  drawing.Add(ShoeMaterial::kTrim, frame(0.55), 0.5);
}

void DrawOrnament(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (s.ornament == Ornament::kNone) return;
  const double size = s.ornament_size;
  const ShoePoint at{s.ornament_at, outline.Top(s.ornament_at) - 0.3 * size};
  switch (s.ornament) {
    case Ornament::kBow:
      for (const double side : {-1.0, 1.0}) {
        drawing.Add(ShoeMaterial::kTrim, Smooth({at,
                                                 {at.x + side * 0.8 * size, at.y + 0.75 * size},
                                                 {at.x + side * 1.35 * size, at.y + 0.2 * size},
                                                 {at.x + side * 0.9 * size, at.y - 0.45 * size},
                                                 at}));
      }
      drawing.Add(ShoeMaterial::kTrim, Ellipse(at, 0.28 * size, 0.34 * size), 0.9);
      return;
    case Ornament::kBit:
      drawing.Add(
          ShoeMaterial::kMetal,
          Band(Smooth({{at.x - size, at.y - 0.6 * size}, at, {at.x + size, at.y + 0.3 * size}}),
               0.25 * size, 0.25 * size));
      drawing.Add(ShoeMaterial::kMetal,
                  Ellipse({at.x - size, at.y - 0.5 * size}, 0.4 * size, 0.4 * size));
      return;
    case Ornament::kTassel:
      for (const double side : {-0.5, 0.5}) {
        drawing.Add(ShoeMaterial::kTrim, {{at.x, at.y},
                                          {at.x + 0.25 * size, at.y},
                                          {at.x + (side + 0.4) * size, at.y - 1.3 * size},
                                          {at.x + (side - 0.2) * size, at.y - 1.25 * size}});
      }
      return;
    case Ornament::kPompom: {
      ShoeCurve ball;
      for (int i = 0; i < 36; ++i) {
        const double radius = size * (i % 2 == 0 ? 1.0 : 0.8);
        ball.push_back({at.x + radius * std::cos(kPi * i / 18),
                        at.y + 0.4 * size + radius * std::sin(kPi * i / 18)});
      }
      drawing.Add(ShoeMaterial::kFur, ball);
      return;
    }
    case Ornament::kNone:
      return;
  }
}

}  // namespace s2p
