// Pen strokes along the edges of a picture.
#ifndef S2P_TRAINER_PSEUDO_EDGE_STROKES_H_
#define S2P_TRAINER_PSEUDO_EDGE_STROKES_H_

#include <array>
#include <opencv2/core.hpp>
#include <vector>

namespace s2p {

// Points (x, y) in pixels, about one pixel apart.
using Trace = std::vector<std::array<double, 2>>;

// Follows edges one pixel wide (CV_8UC1, 0 where there is none) as far as they lead, straight on
// where they fork; a line that crosses another is cut in two there. Every edge pixel is in one
// trace. Longest first; of equal length, the one found first from the top. Thread-safe.
std::vector<Trace> TraceEdges(const cv::Mat& edges);

// The outlines of the parts of a mask (CV_8UC1) that are at least `least` pixels long, outermost
// only; closed: the first point follows the last. Longest first. Thread-safe.
std::vector<Trace> TraceOutlines(const cv::Mat& mask, size_t least);

// The trace with every point moved to the mean of its neighbours along it, weighed by a Gaussian of
// this standard deviation, in points, 0 or more. The ends of an open one stay.
Trace Smoothed(const Trace& trace, double deviation, bool closed);

}  // namespace s2p

#endif  // S2P_TRAINER_PSEUDO_EDGE_STROKES_H_
