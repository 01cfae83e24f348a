// A sheet of paper in a photograph: found, and seen from straight above.
#ifndef S2P_IMAGE_SHEET_H_
#define S2P_IMAGE_SHEET_H_

#include <array>
#include <opencv2/core.hpp>
#include <optional>

namespace s2p {

// Its corners clockwise from the top left, as shares of the picture's width and height. A value.
using SheetCorners = std::array<cv::Point2f, 4>;

// The sheet on a darker table: a bright quadrilateral of at least a quarter of the picture, whose
// sides are sharp edges; one side may lie on the picture's border. The largest, if a shadow makes
// several. Nothing if the sheet fills the picture, is cut off by several borders, or is not
// brighter than what surrounds it. `luma`: CV_8U, not empty. Thread-safe.
std::optional<SheetCorners> FindSheet(const cv::Mat& luma);

// The size in pixels of the sheet in a picture: its sides are as long as they are on average.
cv::Size FlatSize(const cv::Size& picture, const SheetCorners& corners);

// A part of the sheet, as a rectangle of `size`. `part` is in shares of the sheet's width and
// height without its outermost fiftieth, which may show the table. `picture`: CV_8U with any number
// of channels. Thread-safe.
cv::Mat Flattened(const cv::Mat& picture, const SheetCorners& corners, const cv::Rect2d& part,
                  const cv::Size& size);

}  // namespace s2p

#endif  // S2P_IMAGE_SHEET_H_
