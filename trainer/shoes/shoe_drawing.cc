#include "trainer/shoes/shoe_drawing.h"

#include <algorithm>
#include <cmath>

namespace s2p {
namespace {

constexpr double kHeelEnd = 0.99;

bool FillsToTheGround(const ShoeShape& s) {
  return s.heel == HeelKind::kNone || s.heel == HeelKind::kWedge;
}

// Heel and sole.

void DrawHeel(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (FillsToTheGround(s)) return;
  const double breast = kHeelEnd - s.heel_width;
  const double foot = s.heel_width * s.heel_taper;
  const double right = kHeelEnd - s.heel_slant;
  const double left = right - foot;
  const double top_left = outline.Underside(breast) + 0.3 * s.sole;
  const double top_right = outline.Underside(kHeelEnd) + 0.3 * s.sole;
  ShoeCurve heel;
  if (s.heel == HeelKind::kBlock) {
    heel = Smooth({{kHeelEnd, top_right}, {(kHeelEnd + right) / 2, top_right / 2}, {right, 0}});
    Append(Smooth({{left, 0}, {(left + breast) / 2, top_left / 2}, {breast, top_left}}), heel);
  } else {
    const double slim = s.heel == HeelKind::kStiletto ? 0.75 : 0.55;
    heel = Smooth({{kHeelEnd, top_right},
                   {kHeelEnd + (right - kHeelEnd) * 0.45 + 0.008, top_right * 0.6},
                   {right, 0}});
    Append(Smooth({{left, 0},
                   {left + (breast - left) * (1 - slim) * 0.4, top_left * 0.45},
                   {left + (breast - left) * (1 - slim), top_left * 0.75},
                   {breast, top_left}}),
           heel);
  }
  const int part = drawing.Add(ShoeMaterial::kHeel, heel);
  const double cap = std::min(0.02, 0.25 * top_right);
  drawing.AddLine(ShoeLineKind::kSeam, {{left - 0.1, cap}, {right + 0.1, cap}}, 0.35, part);
  if (s.heel == HeelKind::kBlock && s.heel_height > 0.05) {
    for (int i = 1; i <= s.sole_lines; ++i) {
      const double y = top_right * i / (s.sole_lines + 1);
      drawing.AddLine(ShoeLineKind::kSeam, {{left - 0.2, y}, {right + 0.2, y}}, 0.4, part);
    }
  }
}

// The underside with its tread, from the heel to the toe.
ShoeCurve Tread(const ShoeOutline& outline, double tip, double heel) {
  const ShoeShape& s = outline.shape();
  ShoeCurve curve;
  constexpr int kSteps = 48;
  for (int i = 0; i <= kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const double x = heel + (tip - heel) * t;
    curve.push_back({x, outline.Underside(x)});
  }
  if (s.lugs == 0) return curve;
  ShoeCurve lugs;
  const double depth = std::min(0.02, 0.35 * s.sole);
  for (int i = 0; i < s.lugs; ++i) {
    for (const auto& [share, up] : {std::pair{0.0, 0.0}, {0.62, 0.0}, {0.68, 1.0}, {0.94, 1.0}}) {
      const double x = heel + (tip - heel) * (i + share) / s.lugs;
      lugs.push_back({x, outline.Underside(x) + up * depth});
    }
  }
  lugs.push_back({tip, outline.Underside(tip)});
  return lugs;
}

void DrawSole(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  const double tip = outline.tip() - s.welt;
  const double heel = FillsToTheGround(s) ? 1 + s.welt : kHeelEnd;
  const double ground_end = heel - (FillsToTheGround(s) ? s.heel_slant : 0);
  ShoeCurve sole = outline.BaseCurve(tip, heel);
  for (ShoePoint& point : sole) point.y += 0.006;
  if (FillsToTheGround(s)) {
    sole.push_back({ground_end + 0.3 * (heel - ground_end), 0.3 * outline.Base(heel)});
  }
  Append(Tread(outline, tip + 0.01, ground_end), sole);
  const int part = drawing.Add(ShoeMaterial::kSole, sole);
  const auto height = [&](double x, double share) {
    return outline.Underside(x) + share * (outline.Base(x) - outline.Underside(x));
  };
  const int lines = s.heel == HeelKind::kBlock ? 0 : s.sole_lines;
  for (int i = 1; i <= lines; ++i) {
    ShoeCurve line;
    const double share = lines == 1 ? s.sole_line : static_cast<double>(i) / (lines + 1);
    for (double x = tip; x <= heel; x += 0.02) line.push_back({x, height(x, share)});
    drawing.AddLine(ShoeLineKind::kSeam, line, 0.75, part);
  }
  for (int i = 0; i < s.sole_ticks; ++i) {
    const double x = tip + (heel - tip) * (i + 0.5) / s.sole_ticks;
    drawing.AddLine(ShoeLineKind::kSeam, {{x, height(x, 0.08)}, {x + 0.012, height(x, 0.92)}}, 0.3,
                    part);
  }
}

void DrawFootbed(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const double tip = outline.tip();
  ShoeCurve far;
  constexpr int kSteps = 32;
  for (int i = 0; i <= kSteps; ++i) {
    const double t = static_cast<double>(i) / kSteps;
    const double x = tip + (kHeelEnd - tip) * t;
    far.push_back({x, outline.Base(x) + outline.lift() * std::sqrt(std::sin(kPi * t)) + 0.004});
  }
  Append(Reversed(outline.BaseCurve(tip, kHeelEnd)), far);
  drawing.Add(ShoeMaterial::kFootbed, far, 0.85);
}

// Straps.

// The near half of a strap: from the sole up and over the foot.
ShoeCurve NearPath(const ShoeOutline& outline, const ShoeStrap& strap) {
  const ShoePoint foot{strap.foot, outline.Base(strap.foot)};
  const ShoePoint top{strap.top, outline.Top(strap.top)};
  const double height = top.y - foot.y;
  return Smooth({foot,
                 {foot.x + 0.12 * (top.x - foot.x), foot.y + 0.45 * height},
                 {foot.x + 0.45 * (top.x - foot.x), foot.y + 0.84 * height},
                 top});
}

void DrawFarStrap(const ShoeOutline& outline, const ShoeStrap& strap, ShoeDrawing& drawing) {
  const ShoePoint top{strap.top, outline.Top(strap.top)};
  const double x = strap.foot + 0.05;
  const ShoePoint foot{x, outline.Base(x) + outline.lift()};
  const ShoeCurve path =
      Smooth({top, {top.x + 0.35 * (foot.x - top.x) + 0.02, top.y - 0.4 * (top.y - foot.y)}, foot});
  drawing.Add(ShoeMaterial::kLining, Band(path, strap.width, strap.width), 0.5);
}

void DrawNearStrap(const ShoeOutline& outline, const ShoeStrap& strap, ShoeDrawing& drawing) {
  const ShoeCurve path = NearPath(outline, strap);
  drawing.Add(ShoeMaterial::kTrim, Band(path, strap.width * 1.15, strap.width));
  if (strap.buckle) DrawBuckle(Along(path, 0.55), 0.6 * strap.width + 0.02, 1.2, drawing);
}

std::vector<ShoeStrap> StrapsOf(const ShoeShape& s) {
  std::vector<ShoeStrap> straps = s.straps;
  if (s.crossed) {
    for (size_t i = 0; i < straps.size(); ++i) straps[i].top = s.straps[straps.size() - 1 - i].top;
  }
  return straps;
}

// The ring around the ankle, as two halves.
struct AnkleRing {
  ShoePoint centre;
  double radius_x;
  double radius_y;
  ShoeCurve Half(bool near) const {
    ShoeCurve half;
    for (int i = 0; i <= 20; ++i) {
      const double angle = kPi * i / 20;
      half.push_back({centre.x - radius_x * std::cos(angle),
                      centre.y + (near ? -1 : 1) * radius_y * std::sin(angle)});
    }
    return half;
  }
};

AnkleRing RingOf(const ShoeOutline& outline) {
  const ShoeShape& s = outline.shape();
  return {{0.85, s.ground_to_heel_seat() + s.ankle_strap}, 0.135, 0.6 * outline.lift() + 0.012};
}

void DrawFarAnkle(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (s.ankle_strap == 0) return;
  drawing.Add(ShoeMaterial::kLining,
              Band(RingOf(outline).Half(false), s.ankle_strap_width, s.ankle_strap_width), 0.7);
}

void DrawNearAnkle(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (s.ankle_strap == 0) return;
  const AnkleRing ring = RingOf(outline);
  const double seat = s.ground_to_heel_seat();
  const double width = s.ankle_strap_width;
  const double joint = s.sandal ? (s.counter > 0 ? seat + s.back - 0.02 : seat) : seat + s.back;
  if (ring.centre.y > joint) {
    drawing.Add(ShoeMaterial::kTrim, Band(Smooth({{0.975, joint - 0.03},
                                                  {0.985, (joint + ring.centre.y) / 2},
                                                  {0.978, ring.centre.y + 0.02}}),
                                          width, width));
  }
  if (s.t_strap) {
    const double from = s.sandal ? StrapsOf(s).back().top : s.throat;
    const ShoePoint front{ring.centre.x - ring.radius_x, ring.centre.y};
    const ShoePoint start{from, outline.Top(from)};
    const ShoePoint middle = Between(start, front, 0.55);
    drawing.Add(ShoeMaterial::kTrim,
                Band(Smooth({start, {middle.x + 0.02, middle.y - 0.02}, front}), width, width));
  }
  const ShoeCurve near = ring.Half(true);
  drawing.Add(ShoeMaterial::kTrim, Band(near, width, width));
  if (s.closure == Closure::kBuckle || !s.sandal) {
    DrawBuckle(Along(near, 0.5), 0.5 * width + 0.018, 0, drawing);
  }
}

void DrawSlingback(const ShoeOutline& outline, bool near, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (!s.slingback) return;
  const double from = s.mule > 0 ? s.mule - 0.08 : 0.5;
  const double start = outline.Base(from) + (s.mule > 0 ? 0.06 : 0.04);
  const double back = s.ground_to_heel_seat() + std::max(0.13, s.back);
  const double sag = near ? -0.02 : outline.lift();
  const ShoeCurve path = Smooth({{from, start},
                                 {(from + 0.98) / 2, (start + back) / 2 + sag},
                                 {0.94, back + 0.5 * sag},
                                 {0.98, back}});
  drawing.Add(near ? ShoeMaterial::kTrim : ShoeMaterial::kLining,
              Band(path, s.ankle_strap_width, s.ankle_strap_width), near ? 1 : 0.6);
}

// Uppers.

void DrawSandal(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  DrawFootbed(outline, drawing);
  const std::vector<ShoeStrap> straps = StrapsOf(s);
  for (const ShoeStrap& strap : straps) DrawFarStrap(outline, strap, drawing);
  DrawFarAnkle(outline, drawing);
  DrawSlingback(outline, /*near=*/false, drawing);
  if (s.counter > 0) {
    const double seat = s.ground_to_heel_seat();
    const double from = 0.985 - s.counter;
    ShoeCurve counter = Smooth({{from, outline.Base(from)},
                                {from + 0.35 * s.counter, seat + 0.4 * s.back},
                                {0.94, seat + 0.95 * s.back},
                                {0.985, seat + s.back},
                                {1.0, seat + 0.5 * s.back},
                                {0.985, seat}});
    Append(Reversed(outline.BaseCurve(from, 0.985)), counter);
    drawing.Add(ShoeMaterial::kUpper, counter);
  }
  for (const ShoeStrap& strap : straps) DrawNearStrap(outline, strap, drawing);
  DrawSlingback(outline, /*near=*/true, drawing);
  DrawNearAnkle(outline, drawing);
}

// Draws the inside as far as the opening shows it, and the parts that stand in it.
void DrawInside(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  if (s.mule > 0 || s.toe_opening > 0) DrawFootbed(outline, drawing);
  ShoeCurve lining = outline.topline();
  Append(Reversed(outline.far_topline()), lining);
  drawing.Add(ShoeMaterial::kLining, lining);
  if (s.toe_opening > 0) {
    ShoeCurve edge = Piece(outline.front(), 0, 0.12);
    ShoeCurve far;
    for (const ShoePoint& point : edge) far.push_back({point.x + 0.07, point.y + outline.lift()});
    Append(Reversed(far), edge);
    drawing.Add(ShoeMaterial::kLining, edge, 0.4);
  }
  if (s.closure == Closure::kLaces && s.tongue > 0) {
    const ShoePoint throat = outline.front().back();
    const double h = s.tongue + 0.02;
    drawing.Add(ShoeMaterial::kTrim,
                Smooth({{throat.x - 0.05, throat.y - 0.06},
                        {throat.x + 0.0 * h, throat.y + 0.5 * h},
                        {throat.x + 0.6 * h, throat.y + 1.2 * h},
                        {throat.x + 1.1 * h, throat.y + 0.8 * h},
                        {throat.x + 0.1, throat.y - 0.05}}),
                0.8);
  }
}

void DrawClosedShoe(const ShoeOutline& outline, ShoeDrawing& drawing) {
  const ShoeShape& s = outline.shape();
  DrawInside(outline, drawing);
  const std::vector<ShoeStrap> straps = StrapsOf(s);
  for (const ShoeStrap& strap : straps) {
    if (strap.top > s.throat) DrawFarStrap(outline, strap, drawing);
  }
  DrawFarAnkle(outline, drawing);
  DrawSlingback(outline, /*near=*/false, drawing);
  const int upper = drawing.Add(ShoeMaterial::kUpper, outline.Upper());
  DrawTrim(outline, upper, drawing);
  for (const ShoeStrap& strap : straps) DrawNearStrap(outline, strap, drawing);
  DrawSlingback(outline, /*near=*/true, drawing);
  DrawNearAnkle(outline, drawing);
}

}  // namespace

ShoeDrawing DrawShoe(const ShoeShape& shape, double lift) {
  const ShoeOutline outline(shape, lift);
  ShoeDrawing drawing;
  DrawHeel(outline, drawing);
  DrawSole(outline, drawing);
  if (shape.sandal) {
    DrawSandal(outline, drawing);
  } else {
    DrawClosedShoe(outline, drawing);
  }
  DrawOrnament(outline, drawing);
  return drawing;
}

}  // namespace s2p
