// The printed lines of writing paper: rules and squares.
#ifndef S2P_IMAGE_RULING_H_
#define S2P_IMAGE_RULING_H_

#include <opencv2/core.hpp>

namespace s2p {

// 255 where `ink` belongs to printed lines and to nothing that is drawn across or along them, which
// is thicker or darker, else 0. Empty if nothing is printed. `ink`, 255 for ink, and the `luma` of
// the picture have the same size; all are CV_8U.
//
// Printed are at least five thin lines at regular distances that run straight from one side of the
// picture to the other, within six degrees of level or upright. A drawing has no such lines.
// Thread-safe.
cv::Mat FindRuling(const cv::Mat& ink, const cv::Mat& luma);

}  // namespace s2p

#endif  // S2P_IMAGE_RULING_H_
