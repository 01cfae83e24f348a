// The shape of a procedural shoe, which distinguishes it from every other.
#ifndef S2P_TRAINER_SHOES_SHOE_SHAPE_H_
#define S2P_TRAINER_SHOES_SHOE_SHAPE_H_

#include <string>
#include <vector>

#include "trainer/data/random.h"

namespace s2p {

enum class HeelKind { kNone, kBlock, kCone, kStiletto, kWedge };
enum class Closure { kNone, kLaces, kZip, kBuckle, kVelcro, kElastic };
enum class Ornament { kNone, kBow, kBit, kTassel, kPompom };

// A strap over the foot: rises from the sole at `foot` and crosses the instep at `top`.
struct ShoeStrap {
  double foot = 0;
  double top = 0;
  double width = 0;
  bool buckle = false;
};

// The parameters of one shoe seen from its side: toe at x = 0, back of the heel at x = 1, y upwards
// from the ground. Lengths and places are in these units, fractions are in [0, 1]. Everything that
// makes an identity is here; colour, material and pose are not. A value. Thread-compatible.
struct ShoeShape {
  // Under the foot. `heel_height` is the rise from ball to heel seat, `platform` lifts both.
  HeelKind heel = HeelKind::kNone;
  double heel_height = 0;
  double heel_width = 0.2;
  double heel_taper = 1;  // width at the ground as a fraction of `heel_width`
  double heel_slant = 0;  // how far the ground end lies inward
  double sole = 0.03;     // thickness
  double platform = 0;
  double toe_spring = 0.02;
  double welt = 0;  // how far the sole stands out
  int lugs = 0;     // of the tread
  int sole_lines = 0;
  double sole_line = 0.5;  // height of the first line as a fraction of the sole
  int sole_ticks = 0;      // as on rope soles

  // The toe. The tip lies at x = -toe_point.
  double toe_point = 0;
  double toe_length = 0.12;
  double toe_height = 0.1;
  double toe_bluntness = 2;  // exponent of the superellipse: 1.4 slim … 4 square
  double toe_opening = 0;    // where the upper begins; 0: closed

  // The upper. A sandal has only straps.
  bool sandal = false;
  double instep = 0.26;  // height of the foot over the sole at the ankle
  double throat = 0.45;  // where the opening begins
  double side = 0.13;    // height of the topline at its lowest
  double dip = 0.5;      // where that is, between throat and back
  double back = 0.22;    // height of the back over the heel seat
  double mule = 0;       // where the upper ends, if it has no back; 0: it has one
  bool slingback = false;

  // The shaft of a boot; 0: none.
  double shaft = 0;  // above the ankle
  double shaft_width = 0.34;
  double shaft_flare = 0;
  double shaft_lean = 0;
  double shaft_slope = 0;
  double ankle = 0.34;  // width
  double cuff = 0;      // height of a turned-down edge
  bool fur = false;

  Closure closure = Closure::kNone;
  int rows = 4;             // of laces or velcro straps
  double closure_at = 0.5;  // place of a zip, buckle or gore
  double closure_size = 0.5;
  double closure_tilt = 0;
  bool bow = false;   // laces end in one
  double tongue = 0;  // how far it stands out
  std::vector<ShoeStrap> straps;
  bool crossed = false;    // the straps change sides
  double ankle_strap = 0;  // its height over the heel seat; 0: none
  double ankle_strap_width = 0.03;
  bool t_strap = false;
  double counter = 0;  // length of the heel counter; 0: none

  // On the upper.
  double toe_cap = 0;  // length; 0: none
  double toe_cap_bend = 0;
  bool toe_cap_filled = false;
  double guard = 0;  // height of a band above the sole
  double guard_wave = 0;
  double apron = 0;  // length of a moccasin's raised seam
  int stripes = 0;
  double stripe_at = 0.5;
  double stripe_tilt = 0;
  double stripe_width = 0.03;
  int cutouts = 0;
  double cutout_at = 0.4;
  double cutout_size = 0.03;
  double cutout_stretch = 1;
  double seam = 0;  // where a seam crosses the quarter; 0: none
  double seam_bend = 0;
  double collar = 0;  // width of a padded edge
  bool stitching = false;
  bool pull_loop = false;
  Ornament ornament = Ornament::kNone;
  double ornament_at = 0.3;
  double ornament_size = 0.06;

  bool boot() const { return shaft > 0; }
  double ground_to_heel_seat() const { return sole + platform + heel_height; }
};

// Draws a kind of shoe (sneaker, pump, boot …), then its parameters.
ShoeShape RandomShoe(Random& random);

// One value for each of SyntheticShoeAttributes(), 0 or 1: a function of the shape alone.
std::vector<float> AttributesOf(const ShoeShape& shape);

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SHOE_SHAPE_H_
