// Drawings as people send them, photographed or scanned, brought to the canvas's look: strokes on
// white.
#ifndef S2P_IMAGE_GROUND_H_
#define S2P_IMAGE_GROUND_H_

#include "image/image.h"

namespace s2p {

// FitToInk (image/preprocessor.h) for drawings on paper or boards. Returns a white square with the
// ink in its middle, and a margin of a sixteenth of the longer side. Requires a non-empty image.
//
// 1. A sheet on a darker table is cut out and flattened (image/sheet.h).
// 2. Ink that is lighter than a dark ground (chalk, a white pen) is inverted.
// 3. The ground without the ink is estimated, shadows and lamps included, and pixels are divided by
//    it, so that it becomes white and ink keeps its share of darkness (image/illumination.h).
// 4. Ink is what is then darker than 235, or less where the ground is noisy.
// 5. The printed lines of writing paper are taken out (image/ruling.h).
// 6. Connected specks that are smaller than a 36th of the picture do not widen the cut, unless
//    nothing else is there.
// 7. Where 1, 2, 3 or 5 did anything, everything but the ink becomes white, and pale ink darker.
//
// Step 3 is left out where the border is white already, so on white ground without specks and lines
// the result is FitToInk's. An image without ink is returned unchanged. A function of the pixels
// alone; nothing is learned. The ground is measured on a copy of at most 512 pixels, and ink on a
// ground that is not white is returned with at most 512, as the canvas has. For drawings: the light
// parts of a photographed thing would pass for ground. Thread-safe.
Image FitToMeasuredInk(const Image& image);

// Whether a drawing shows anything: FitToMeasuredInk finds ink, and the picture is not of one tone
// throughout. Requires a non-empty image.
bool HasInk(const Image& image);

}  // namespace s2p

#endif  // S2P_IMAGE_GROUND_H_
