#include "trainer/shoes/shoe_shape.h"

#include <algorithm>
#include <utility>

#include "trainer/shoes/synthetic_shoes.h"

namespace s2p {
namespace {

// Shared by all kinds of shoe.

void DrawToe(Random& r, ShoeShape& s) {
  const double kind = r.Uniform();
  s.toe_length = r.Uniform(0.08, 0.2);
  s.toe_height = r.Uniform(0.07, 0.13);
  if (kind < 0.3) {  // pointed
    s.toe_point = r.Uniform(0.05, 0.14);
    s.toe_length = r.Uniform(0.16, 0.26);
    s.toe_height = r.Uniform(0.06, 0.09);
    s.toe_bluntness = r.Uniform(1.25, 1.6);
  } else if (kind < 0.5) {  // square
    s.toe_bluntness = r.Uniform(3, 5);
  } else {  // round
    s.toe_bluntness = r.Uniform(1.8, 2.5);
  }
}

void DrawHighHeel(Random& r, double lowest, double highest, ShoeShape& s) {
  s.heel_height = r.Uniform(lowest, highest);
  const double kind = r.Uniform();
  s.heel_slant = r.Uniform(0, 0.05);
  if (kind < 0.34) {
    s.heel = HeelKind::kStiletto;
    s.heel_width = r.Uniform(0.1, 0.17);
    s.heel_taper = r.Uniform(0.2, 0.36);
  } else if (kind < 0.6) {
    s.heel = HeelKind::kBlock;
    s.heel_width = r.Uniform(0.14, 0.28);
    s.heel_taper = r.Uniform(0.75, 1.15);
  } else if (kind < 0.78) {
    s.heel = HeelKind::kCone;
    s.heel_width = r.Uniform(0.16, 0.26);
    s.heel_taper = r.Uniform(0.35, 0.6);
  } else {
    s.heel = HeelKind::kWedge;
    s.heel_slant = r.Uniform(-0.03, 0.06);
    s.sole_ticks = r.Chance(0.35) ? 14 + r.Index(20) : 0;
    s.sole_lines = r.Index(4);
  }
  s.sole = r.Uniform(0.015, 0.035);
  s.platform = r.Chance(0.4) ? r.Uniform(0.04, 0.11) : 0;
  s.toe_spring = r.Uniform(0.005, 0.03);
}

void DrawLowHeel(Random& r, ShoeShape& s) {
  s.heel = HeelKind::kBlock;
  s.heel_height = r.Uniform(0.025, 0.09);
  s.heel_width = r.Uniform(0.2, 0.32);
  s.heel_taper = r.Uniform(0.85, 1.05);
  s.sole = r.Uniform(0.018, 0.05);
  s.toe_spring = r.Uniform(0.01, 0.045);
  s.welt = r.Uniform(0, 0.025);
}

void DrawFlatSole(Random& r, double thickest, ShoeShape& s) {
  s.heel = HeelKind::kNone;
  s.heel_height = r.Uniform(0, 0.06);
  s.sole = r.Uniform(0.03, thickest);
  s.toe_spring = r.Uniform(0.005, 0.06);
  s.welt = r.Uniform(0, 0.03);
  s.sole_lines = r.Index(3);
  s.sole_line = r.Uniform(0.3, 0.75);
  s.lugs = r.Chance(0.35) ? 6 + r.Index(10) : 0;
  s.sole_ticks = r.Chance(0.2) ? 10 + r.Index(22) : 0;
}

void DrawPanels(Random& r, double chance, ShoeShape& s) {
  if (r.Chance(chance)) {
    s.toe_cap = r.Uniform(0.1, 0.27);
    s.toe_cap_bend = r.Uniform(-0.06, 0.1);
    s.toe_cap_filled = r.Chance(0.5);
  }
  if (r.Chance(chance)) s.counter = r.Uniform(0.1, 0.28);
  if (r.Chance(chance)) {
    s.seam = r.Uniform(0.35, 0.68);
    s.seam_bend = r.Uniform(-0.12, 0.12);
  }
  s.stitching = r.Chance(0.4);
}

void DrawOrnament(Random& r, double chance, ShoeShape& s) {
  if (!r.Chance(chance)) return;
  constexpr Ornament kKinds[] = {Ornament::kBow, Ornament::kBit, Ornament::kTassel,
                                 Ornament::kPompom};
  s.ornament = kKinds[r.Index(4)];
  s.ornament_at = s.throat - r.Uniform(0.02, 0.1);
  s.ornament_size = r.Uniform(0.045, 0.085);
}

void DrawCutouts(Random& r, double chance, ShoeShape& s) {
  if (!r.Chance(chance)) return;
  s.cutouts = 1 + r.Index(5);
  s.cutout_at = r.Uniform(0.16, 0.55);
  s.cutout_size = r.Uniform(0.016, 0.034);
  s.cutout_stretch = r.Uniform(0.6, 2.4);
}

void DrawClosurePlace(Random& r, ShoeShape& s) {
  s.rows = 3 + r.Index(5);
  s.closure_at = r.Uniform(0, 1);
  s.closure_size = r.Uniform(0, 1);
  s.closure_tilt = r.Uniform(-1, 1);
  s.bow = r.Chance(0.6);
  s.tongue = r.Uniform(0.01, 0.08);
}

// Straps spread over the foot between two places.
void DrawStraps(Random& r, int count, double from, double to, double buckles, ShoeShape& s) {
  const double lean = r.Uniform(-0.05, 0.1);
  const double width = r.Uniform(0.022, 0.07);
  for (int i = 0; i < count; ++i) {
    const double at = count == 1 ? r.Uniform(from, to) : from + (to - from) * i / (count - 1);
    ShoeStrap strap;
    strap.foot = at + r.Uniform(-0.03, 0.03);
    strap.top = strap.foot + lean + r.Uniform(-0.03, 0.05);
    strap.width = std::min(width * r.Uniform(0.8, 1.25), count > 1 ? (to - from) / count : 1.0);
    strap.buckle = r.Chance(buckles);
    s.straps.push_back(strap);
  }
}

// The kinds.

ShoeShape Sneaker(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  s.toe_point *= 0.3;
  s.toe_height = r.Uniform(0.09, 0.15);
  DrawFlatSole(r, 0.11, s);
  s.instep = r.Uniform(0.24, 0.33);
  s.throat = r.Uniform(0.46, 0.6);
  s.side = r.Uniform(0.13, 0.22);
  s.dip = r.Uniform(0.3, 0.7);
  s.back = r.Uniform(0.2, 0.31);
  if (r.Chance(0.25)) {
    s.shaft = r.Uniform(0.06, 0.2);
    s.shaft_width = r.Uniform(0.34, 0.42);
    s.ankle = r.Uniform(0.34, 0.4);
  }
  DrawPanels(r, 0.6, s);
  s.closure = r.Chance(0.6) ? Closure::kLaces : r.Chance(0.65) ? Closure::kVelcro : Closure::kNone;
  DrawClosurePlace(r, s);
  if (s.closure == Closure::kVelcro) s.rows = 1 + r.Index(3);
  if (r.Chance(0.6)) {
    s.stripes = 1 + r.Index(4);
    s.stripe_at = r.Uniform(0.36, 0.66);
    s.stripe_tilt = r.Uniform(-0.14, 0.14);
    s.stripe_width = r.Uniform(0.014, 0.04);
  }
  if (r.Chance(0.5)) {
    s.guard = r.Uniform(0.03, 0.09);
    s.guard_wave = r.Uniform(0, 0.04);
  }
  s.collar = r.Chance(0.5) ? r.Uniform(0.02, 0.05) : 0;
  s.pull_loop = r.Chance(0.3);
  return s;
}

ShoeShape Oxford(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  DrawLowHeel(r, s);
  s.instep = r.Uniform(0.22, 0.29);
  s.throat = r.Uniform(0.44, 0.58);
  s.side = r.Uniform(0.12, 0.19);
  s.dip = r.Uniform(0.35, 0.7);
  s.back = r.Uniform(0.18, 0.26);
  DrawPanels(r, 0.65, s);
  s.closure = r.Chance(0.7) ? Closure::kLaces : Closure::kBuckle;
  DrawClosurePlace(r, s);
  if (s.closure == Closure::kBuckle) DrawStraps(r, 1 + r.Index(2), 0.4, 0.52, 1, s);
  DrawCutouts(r, 0.2, s);
  return s;
}

ShoeShape Loafer(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  if (r.Chance(0.5)) {
    DrawLowHeel(r, s);
  } else {
    DrawFlatSole(r, 0.07, s);
  }
  s.instep = r.Uniform(0.22, 0.28);
  s.throat = r.Uniform(0.36, 0.5);
  s.side = r.Uniform(0.1, 0.18);
  s.dip = r.Uniform(0.3, 0.7);
  s.back = r.Uniform(0.17, 0.25);
  s.apron = r.Chance(0.7) ? r.Uniform(0.7, 1.0) : 0;
  if (r.Chance(0.5)) DrawStraps(r, 1, s.throat - 0.14, s.throat - 0.05, 0, s);
  DrawOrnament(r, 0.5, s);
  s.closure = r.Chance(0.3) ? Closure::kElastic : Closure::kNone;
  DrawClosurePlace(r, s);
  s.collar = r.Chance(0.3) ? r.Uniform(0.02, 0.05) : 0;
  s.fur = s.collar > 0 && r.Chance(0.4);
  s.counter = r.Chance(0.4) ? r.Uniform(0.1, 0.25) : 0;
  s.stitching = r.Chance(0.5);
  return s;
}

ShoeShape Ballerina(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  s.heel = HeelKind::kNone;
  s.heel_height = r.Uniform(0, 0.04);
  s.sole = r.Uniform(0.014, 0.035);
  s.toe_spring = r.Uniform(0.005, 0.03);
  s.instep = r.Uniform(0.2, 0.26);
  s.throat = r.Uniform(0.2, 0.36);
  s.side = r.Uniform(0.05, 0.13);
  s.dip = r.Uniform(0.35, 0.7);
  s.back = r.Uniform(0.14, 0.22);
  DrawOrnament(r, 0.6, s);
  if (r.Chance(0.4)) DrawStraps(r, 1 + r.Index(2), 0.42, 0.6, 0.7, s);
  if (r.Chance(0.25)) s.ankle_strap = r.Uniform(0.24, 0.34);
  s.collar = r.Chance(0.4) ? r.Uniform(0.012, 0.024) : 0;
  DrawCutouts(r, 0.25, s);
  DrawPanels(r, 0.2, s);
  return s;
}

ShoeShape Pump(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  DrawHighHeel(r, 0.12, 0.42, s);
  s.instep = r.Uniform(0.2, 0.26);
  s.throat = r.Uniform(0.2, 0.4);
  s.side = r.Uniform(0.04, 0.14);
  s.dip = r.Uniform(0.35, 0.7);
  s.back = r.Uniform(0.14, 0.24);
  if (r.Chance(0.3)) s.toe_opening = r.Uniform(0.05, 0.12);
  if (r.Chance(0.25)) {
    s.mule = r.Uniform(0.5, 0.68);
    s.slingback = r.Chance(0.8);
  }
  if (r.Chance(0.35)) s.ankle_strap = r.Uniform(0.22, 0.36);
  s.ankle_strap_width = r.Uniform(0.018, 0.05);
  s.t_strap = s.ankle_strap > 0 && r.Chance(0.3);
  if (r.Chance(0.25)) DrawStraps(r, 1 + r.Index(2), 0.42, 0.58, 0.5, s);
  DrawOrnament(r, 0.3, s);
  DrawCutouts(r, 0.25, s);
  DrawPanels(r, 0.25, s);
  return s;
}

ShoeShape Sandal(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  s.toe_point *= 0.3;
  s.sandal = true;
  if (r.Chance(0.6)) {
    DrawHighHeel(r, 0.1, 0.42, s);
  } else {
    DrawFlatSole(r, 0.1, s);
  }
  s.instep = r.Uniform(0.22, 0.3);
  const int straps = 1 + r.Index(4);
  const double first = r.Uniform(0.1, 0.2);
  DrawStraps(r, straps, first, first + r.Uniform(0.1, 0.36), 0.25, s);
  s.crossed = straps >= 2 && r.Chance(0.35);
  if (r.Chance(0.7)) s.ankle_strap = r.Uniform(0.2, 0.42);
  s.ankle_strap_width = r.Uniform(0.018, 0.06);
  s.t_strap = s.ankle_strap > 0 && r.Chance(0.4);
  s.slingback = s.ankle_strap == 0 && r.Chance(0.5);
  s.counter = s.ankle_strap > 0 && r.Chance(0.6) ? r.Uniform(0.08, 0.24) : 0;
  s.back = r.Uniform(0.1, 0.2);
  DrawOrnament(r, 0.3, s);
  s.ornament_at = s.straps.front().top;
  s.closure = s.ankle_strap > 0 && r.Chance(0.6) ? Closure::kBuckle : Closure::kNone;
  return s;
}

ShoeShape Clog(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  if (r.Chance(0.5)) {
    DrawHighHeel(r, 0.06, 0.26, s);
  } else {
    DrawFlatSole(r, 0.12, s);
  }
  s.instep = r.Uniform(0.22, 0.3);
  s.throat = r.Uniform(0.36, 0.54);
  s.side = r.Uniform(0.1, 0.2);
  s.mule = r.Uniform(0.55, 0.75);
  if (r.Chance(0.3)) s.toe_opening = r.Uniform(0.06, 0.13);
  if (r.Chance(0.5)) DrawStraps(r, 1 + r.Index(2), s.throat - 0.16, s.throat - 0.05, 0.6, s);
  DrawOrnament(r, 0.2, s);
  DrawCutouts(r, 0.4, s);
  s.apron = r.Chance(0.3) ? r.Uniform(0.7, 1.0) : 0;
  s.stitching = r.Chance(0.5);
  return s;
}

ShoeShape Boot(Random& r) {
  ShoeShape s;
  DrawToe(r, s);
  const double under = r.Uniform();
  if (under < 0.35) {
    DrawHighHeel(r, 0.12, 0.36, s);
  } else if (under < 0.7) {
    DrawLowHeel(r, s);
    s.lugs = r.Chance(0.4) ? 6 + r.Index(8) : 0;
  } else {
    DrawFlatSole(r, 0.11, s);
  }
  s.instep = r.Uniform(0.24, 0.31);
  const bool tall = r.Chance(0.5);
  s.shaft = tall ? r.Uniform(0.45, 1.05) : r.Uniform(0.08, 0.36);
  s.ankle = r.Uniform(0.32, 0.4);
  s.shaft_width = s.ankle + r.Uniform(-0.02, 0.1);
  s.shaft_flare = r.Uniform(-0.01, 0.06);
  s.shaft_lean = r.Uniform(-0.03, 0.04);
  s.shaft_slope = r.Uniform(-0.08, 0.12);
  constexpr Closure kKinds[] = {Closure::kLaces, Closure::kZip, Closure::kBuckle, Closure::kElastic,
                                Closure::kNone};
  s.closure = kKinds[r.Index(5)];
  DrawClosurePlace(r, s);
  s.rows = s.closure == Closure::kBuckle ? 1 + r.Index(3) : static_cast<int>(4 + 5 * s.shaft);
  DrawPanels(r, 0.4, s);
  s.cuff = r.Chance(0.3) ? r.Uniform(0.05, 0.16) : 0;
  s.fur = s.cuff > 0 && r.Chance(0.5);
  if (r.Chance(0.3)) {
    s.guard = r.Uniform(0.04, 0.1);
    s.guard_wave = r.Uniform(0, 0.04);
  }
  s.pull_loop = r.Chance(0.3);
  if (!tall && r.Chance(0.12)) s.toe_opening = r.Uniform(0.05, 0.1);
  DrawCutouts(r, 0.12, s);
  s.cutout_at = std::max(s.cutout_at, 0.3);
  return s;
}

}  // namespace

ShoeShape RandomShoe(Random& random) {
  using Kind = ShoeShape (*)(Random&);
  constexpr Kind kKinds[] = {Sneaker, Sneaker, Oxford, Loafer, Ballerina, Pump, Pump,
                             Sandal,  Sandal,  Sandal, Clog,   Boot,      Boot, Boot};
  return kKinds[random.Index(14)](random);
}

std::vector<float> AttributesOf(const ShoeShape& s) {
  const bool strap_buckle = std::any_of(s.straps.begin(), s.straps.end(),
                                        [](const ShoeStrap& strap) { return strap.buckle; });
  const size_t straps = s.straps.size() + (s.ankle_strap > 0 ? 1 : 0) + (s.slingback ? 1 : 0);
  // In the order of SyntheticShoeAttributes().
  const bool values[] = {
      s.boot(),
      s.shaft >= 0.45,
      s.heel_height >= 0.2,
      s.heel == HeelKind::kStiletto,
      s.heel == HeelKind::kWedge,
      s.platform > 0,
      s.sole >= 0.07,
      s.lugs > 0,
      s.toe_point >= 0.05,
      s.sandal || s.toe_opening > 0,
      s.mule > 0 || (s.sandal && s.counter == 0),
      s.closure == Closure::kLaces,
      s.closure == Closure::kZip,
      s.closure == Closure::kBuckle || strap_buckle,
      s.closure == Closure::kVelcro,
      straps > 0,
      s.ankle_strap > 0,
  };
  return std::vector<float>(std::begin(values), std::end(values));
}

const std::vector<std::string>& SyntheticShoeAttributes() {
  static const auto* const names = new std::vector<std::string>{
      "boots",      "tall_shaft", "high_heel",   "stiletto", "wedge",      "platform",
      "thick_sole", "lug_sole",   "pointed_toe", "open_toe", "open_back",  "laces",
      "zip",        "buckle",     "velcro",      "straps",   "ankle_strap"};
  return *names;
}

}  // namespace s2p
