// A sheet of paper in a photograph: found, and seen from straight above.
#ifndef S2P_IMAGE_SHEET_H_
#define S2P_IMAGE_SHEET_H_

#include <array>
#include <opencv2/core.hpp>
#include <optional>

#include "image/image.h"

namespace s2p {

// Its corners clockwise from the top left, as shares of the picture's width and height. A value.
using SheetCorners = std::array<cv::Point2f, 4>;

// The sheet on a darker table: a bright quadrilateral of at least a quarter of the picture, whose
// sides are sharp edges; one side may lie on the picture's border. The largest, if a shadow makes
// several. Nothing if the sheet fills the picture, is cut off by several borders, or is not
// brighter than what surrounds it. `luma`: CV_8U, not empty. Thread-safe.
std::optional<SheetCorners> FindSheet(const cv::Mat& luma);

// The sheet as a rectangle with sides as long as they are on average, without its outermost
// fiftieth, which may show the table.
Image Flatten(const Image& image, const SheetCorners& corners);

}  // namespace s2p

#endif  // S2P_IMAGE_SHEET_H_
