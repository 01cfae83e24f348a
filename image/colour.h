// Colours, and how different two of them look.
#ifndef S2P_IMAGE_COLOUR_H_
#define S2P_IMAGE_COLOUR_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace s2p {

// A colour in CIELAB, with the white of D65. A value.
struct Lab {
  // Lightness, 0 to 100.
  float l = 0;
  // From green to red and from blue to yellow. Colours of sRGB have -108 to 99.
  float a = 0;
  float b = 0;
};

// The colour of an sRGB pixel.
Lab LabOf(uint8_t red, uint8_t green, uint8_t blue);

// Reads "#rrggbb", sRGB in six hex digits. InvalidArgument for anything else.
absl::StatusOr<Lab> ParseColour(absl::string_view text);

// The difference by CIEDE2000 with weights of 1 (Sharma, Wu and Dalal, 2005): 0 for the same
// colour, about 2 for one that can just be told, 100 for black and white. The plain distance in
// CIELAB (CIE76) calls two saturated reds as different as red and brown.
double ColourDifference(const Lab& one, const Lab& other);

}  // namespace s2p

#endif  // S2P_IMAGE_COLOUR_H_
