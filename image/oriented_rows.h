// The rows of a stored picture on their way to where EXIF's Orientation shows them.
#ifndef S2P_IMAGE_ORIENTED_ROWS_H_
#define S2P_IMAGE_ORIENTED_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "image/image.h"

namespace s2p {

// Rows are decoded one at a time and each is moved at once, so that turning a picture needs no
// second copy of it. Thread-compatible.
class OrientedRows {
 public:
  // `width` and `height` are those of the stored picture. `area` has 4 bytes a pixel, is borrowed,
  // and gets the shown picture at its start: RGB, 3 bytes a pixel.
  OrientedRows(int width, int height, int orientation, uint8_t* area);

  int width() const { return width_; }
  int height() const { return height_; }

  // Memory for the RGB samples of stored row `y`, valid until Finish.
  uint8_t* row(int y) {
    return is_upright_ ? area_ + static_cast<size_t>(y) * width_ * Image::kChannels
                       : turned_.data();
  }
  // Moves the row to its place.
  void Finish(int y);

  // Memory for the whole stored picture, for decoders that cannot work row by row: 3 or 4
  // (`channels`) bytes a pixel. The area itself if nothing is turned, else a copy.
  uint8_t* Whole(int channels);
  // Moves each row out of the memory that Whole gave. RGBA is composited on white.
  void FinishWhole(int channels);

 private:
  const int width_;
  const int height_;
  const bool is_upright_;
  uint8_t* const area_;
  // The place of stored pixel (0, 0), and the way to that of its neighbours, in bytes.
  ptrdiff_t origin_ = 0;
  ptrdiff_t right_ = 0;
  ptrdiff_t down_ = 0;
  // One row; a whole picture. Empty if nothing is turned.
  std::vector<uint8_t> turned_;
  std::vector<uint8_t> whole_;
};

}  // namespace s2p

#endif  // S2P_IMAGE_ORIENTED_ROWS_H_
