// The few colours that stand for what a photo shows.
#ifndef S2P_IMAGE_DOMINANT_COLOURS_H_
#define S2P_IMAGE_DOMINANT_COLOURS_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "image/colour.h"
#include "image/image.h"

namespace s2p {

// Colours of one photo that are compared with another's must be found by the same method. Count it
// up with every change of what DominantColours returns: stored colours are then found again.
inline constexpr int kDominantColoursMethod = 1;
inline constexpr size_t kMostDominantColours = 5;

// A value.
struct ColourShare {
  Lab colour;
  // The share of the pixels that are shown, in (0, 1].
  float share = 0;
};

// One to five colours by descending share; they add up to 1. Pixels of the ground do not count,
// unless no ground can be told from the rest (image/shown_part.h). The shown pixels are grouped by
// k-means in CIELAB, from a start that depends on the pixels alone, and groups that look alike are
// joined: no random numbers, so the same pixels give the same colours. Requires a non-empty photo.
// Thread-safe.
std::vector<ColourShare> DominantColours(const Image& photo);

// The share of the colours that differ from `wanted` by at most `max_difference` (CIEDE2000).
float ShareWithin(absl::Span<const ColourShare> colours, const Lab& wanted, float max_difference);

// How much of what is shown has a colour, in [0, 1]: the sum of share * max(0, 1 - difference / 40)
// by CIEDE2000. 0 without colours.
float ColourAgreement(absl::Span<const ColourShare> colours, const Lab& wanted);

}  // namespace s2p

#endif  // S2P_IMAGE_DOMINANT_COLOURS_H_
