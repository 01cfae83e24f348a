// The ground of a drawing, measured: paper that is not white, unevenly lit, or dark.
#ifndef S2P_IMAGE_GROUND_H_
#define S2P_IMAGE_GROUND_H_

#include "image/image.h"

namespace s2p {

// FitToInk (image/preprocessor.h) for drawings that were photographed or scanned. Returns a white
// square with the ink in its middle, and a margin of a sixteenth of the longer side. Requires a
// non-empty image.
//
// - Ink that is lighter than a dark ground (chalk, a white pen) is inverted first.
// - The ground is estimated in 16 x 16 cells, from the light part of each and a surface of second
//   degree through them, which stands in for cells that ink fills. Pixels are divided by it, so
//   that shadows and grey paper become white and ink keeps its share of darkness. Where the border
//   is white already, pixels are not changed.
// - Ink is what is then darker than 235, or less where the ground is noisy. Connected specks that
//   are smaller than a 64th of the picture do not widen the cut, unless there is nothing else.
//
// On white ground without specks the result is FitToInk's. An image without ink is returned
// unchanged. For drawings: the light parts of a photographed thing would pass for ground.
Image FitToMeasuredInk(const Image& image);

// Whether a drawing shows anything: FitToMeasuredInk finds ink, and the picture is not of one tone
// throughout. Requires a non-empty image.
bool HasInk(const Image& image);

}  // namespace s2p

#endif  // S2P_IMAGE_GROUND_H_
