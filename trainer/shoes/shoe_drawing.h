// A procedural shoe as flat parts and lines, which photos colour and sketches trace.
#ifndef S2P_TRAINER_SHOES_SHOE_DRAWING_H_
#define S2P_TRAINER_SHOES_SHOE_DRAWING_H_

#include <vector>

#include "trainer/shoes/shoe_outline.h"
#include "trainer/shoes/shoe_shape.h"

namespace s2p {

enum class ShoeMaterial {
  kUpper,
  kAccent,
  kTrim,
  kSole,
  kHeel,
  kFootbed,
  kLining,
  kLace,
  kMetal,
  kFur
};
inline constexpr int kShoeMaterials = 10;

// A closed polygon. Later parts hide earlier ones.
struct ShoePart {
  ShoeMaterial material = ShoeMaterial::kUpper;
  ShoeCurve outline;
  // Confines it to an earlier part; -1: nothing does.
  int within = -1;
  // Chance that someone who sketches the shoe draws it.
  double salience = 1;
};

enum class ShoeLineKind { kSeam, kStitches, kCord };

struct ShoeLine {
  ShoeLineKind kind = ShoeLineKind::kSeam;
  ShoeCurve points;
  int within = -1;
  // Only parts from this one on hide it.
  int over = 0;
  double salience = 0.5;
};

struct ShoeDrawing {
  std::vector<ShoePart> parts;
  std::vector<ShoeLine> lines;

  // Returns the part's index.
  int Add(ShoeMaterial material, ShoeCurve outline, double salience = 1, int within = -1) {
    parts.push_back({material, std::move(outline), within, salience});
    return static_cast<int>(parts.size()) - 1;
  }
  void AddLine(ShoeLineKind kind, ShoeCurve points, double salience, int within = -1) {
    lines.push_back({kind, std::move(points), within, static_cast<int>(parts.size()), salience});
  }
};

// `lift`: ShoeOutline.
ShoeDrawing DrawShoe(const ShoeShape& shape, double lift);

// Draws the parts on the upper (part number `upper`): panels, stripes, closure.
void DrawTrim(const ShoeOutline& outline, int upper, ShoeDrawing& drawing);
// A bow, bit, tassel or pompom on the instep.
void DrawOrnament(const ShoeOutline& outline, ShoeDrawing& drawing);
// A buckle around a point of a strap that runs at `tilt` radians.
void DrawBuckle(ShoePoint centre, double size, double tilt, ShoeDrawing& drawing);

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SHOE_DRAWING_H_
