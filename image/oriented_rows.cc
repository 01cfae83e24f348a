#include "image/oriented_rows.h"

#include <algorithm>

#include "image/on_white.h"

namespace s2p {

OrientedRows::OrientedRows(int width, int height, int orientation, uint8_t* area)
    : width_(width), height_(height), is_upright_(orientation == 1), area_(area) {
  const bool swaps_sides = orientation >= 5;
  const bool mirrors_x =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirrors_y =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const ptrdiff_t pixel = Image::kChannels;
  const ptrdiff_t shown_row = pixel * (swaps_sides ? height : width);
  right_ = (swaps_sides ? shown_row : pixel) * (mirrors_x ? -1 : 1);
  down_ = (swaps_sides ? pixel : shown_row) * (mirrors_y ? -1 : 1);
  if (mirrors_x) origin_ -= right_ * (width - 1);
  if (mirrors_y) origin_ -= down_ * (height - 1);
  if (!is_upright_) turned_.resize(static_cast<size_t>(width) * Image::kChannels);
}

void OrientedRows::Finish(int y) {
  if (is_upright_) return;
  uint8_t* out = area_ + origin_ + y * down_;
  const uint8_t* in = turned_.data();
  for (int x = 0; x < width_; ++x, in += Image::kChannels, out += right_) {
    std::copy_n(in, Image::kChannels, out);
  }
}

uint8_t* OrientedRows::Whole(int channels) {
  if (is_upright_) return area_;
  whole_.resize(static_cast<size_t>(width_) * height_ * channels);
  return whole_.data();
}

void OrientedRows::FinishWhole(int channels) {
  const uint8_t* whole = is_upright_ ? area_ : whole_.data();
  const size_t width = static_cast<size_t>(width_);
  for (int y = 0; y < height_; ++y) {
    const uint8_t* in = whole + static_cast<size_t>(y) * width * channels;
    uint8_t* out = row(y);
    // In the area itself, RGB is never ahead of the RGBA that it is made of.
    if (channels == 4) {
      RgbaOnWhite(in, width, out);
    } else if (in != out) {
      std::copy_n(in, width * channels, out);
    }
    Finish(y);
  }
}

}  // namespace s2p
