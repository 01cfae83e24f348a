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
// 3. Coloured ink becomes grey. Its tone is its darkest channel relative to the ground's colour, so
//    that an orange pen is as dark as a pencil (image/ink_tone.h). Not on ruled paper.
// 4. The ground without the ink is estimated, shadows and lamps included, and pixels are divided by
//    it, so that it becomes white and ink keeps its share of darkness (image/illumination.h).
// 5. Ink is what is then darker than 235, or less where the ground is noisy.
// 6. The printed lines of writing paper are taken out (image/ruling.h).
// 7. Connected specks that are smaller than a 36th of the picture do not widen the cut, unless
//    nothing else is there. Dust, and specks on dirty paper, become white (image/specks.h).
// 8. Where 1, 2, 4 or 6 did anything, everything but the ink becomes white, and pale ink darker.
//
// Step 4 is left out where the border is white already, so grey ink on white ground without specks
// and lines gives what FitToInk gives. An image without ink is returned unchanged. A function of
// the pixels alone; nothing is learned. The ground is measured on a copy of at most 512 pixels, and
// a drawing that is changed is returned with at most 512, as the canvas has. For drawings: the
// light parts of a photographed thing would pass for ground. Thread-safe.
Image FitToMeasuredInk(const Image& image);

// Whether a drawing shows anything: FitToMeasuredInk finds ink, and the picture is not of one tone
// throughout. Requires a non-empty image.
bool HasInk(const Image& image);

}  // namespace s2p

#endif  // S2P_IMAGE_GROUND_H_
