// Tells the ink that is drawn from dirt on the paper.
#ifndef S2P_IMAGE_SPECKS_H_
#define S2P_IMAGE_SPECKS_H_

#include <opencv2/core.hpp>

namespace s2p {

// The part of a drawing's ink that is drawn, and the rest. A value.
struct DrawnInk {
  // The box of the strokes, or of the specks if there are no strokes. Empty if nothing is drawn.
  cv::Rect box;
  // CV_8U, 255 where ink is dirt. Unset if none is.
  cv::Mat dirt;
};

// Strokes are connected ink of at least a 36th of the picture's longer side; what is smaller is a
// speck. A drawing has dots, too. A speck is dirt only on dirty paper, where specks of at least two
// thirds of its length lie outside the convex hull of the strokes. Dust, which is smaller than a
// 128th, is dirt on any paper. What lies close to a stroke is taken for a piece of it. On white
// ground nothing is dirt in a drawing without strokes. (Dots that are drawn outside the hull, as
// rain or the studs of a sole, look the same as dirt.)
//
// On a ground that is not white, where noise leaves dust and shadows leave their edges, all dust is
// dirt, and so is what touches the picture's border and is shorter than an eighth of it. `ink`:
// CV_8U, 255 for ink, not empty. Thread-safe.
DrawnInk FindDrawn(const cv::Mat& ink, bool on_white);

}  // namespace s2p

#endif  // S2P_IMAGE_SPECKS_H_
