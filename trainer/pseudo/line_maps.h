// Filters that turn a picture into lines.
#ifndef S2P_TRAINER_PSEUDO_LINE_MAPS_H_
#define S2P_TRAINER_PSEUDO_LINE_MAPS_H_

#include <opencv2/core.hpp>

namespace s2p {

// All take CV_8UC3 and return CV_8UC1 of the same size. `scale` is the standard deviation, in
// pixels, of the Gaussian that removes detail first, above 0. Thread-safe.

// Edges one pixel wide (Canny, 1986): 255, the rest 0. The gradient is that of the channel where it
// is steepest, so that colours of equal lightness are told apart. `share` in (0, 1) of the pixels
// where there is any slope are steep enough to begin an edge; a picture without has none.
cv::Mat Edges(const cv::Mat& picture, double scale, double share);

// Dark lines on white along the dark side of edges: a difference of Gaussians, whose negative part
// a hyperbolic tangent makes black (XDoG; Winnemoeller et al., Computers & Graphics 2012, without
// its shaded areas).
cv::Mat DifferenceOfGaussians(const cv::Mat& picture, double scale);

// Pencil on white paper: the luma divided by its surroundings ("colour dodge"), which leaves dark
// what is darker than they are.
cv::Mat Pencil(const cv::Mat& picture, double scale);

}  // namespace s2p

#endif  // S2P_TRAINER_PSEUDO_LINE_MAPS_H_
