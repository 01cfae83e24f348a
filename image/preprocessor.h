// Turns an image of one modality into a network's input, exactly as a checkpoint's manifest says.
#ifndef S2P_IMAGE_PREPROCESSOR_H_
#define S2P_IMAGE_PREPROCESSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "image/image.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p {

// Built only from a manifest, so that trainer and server cannot differ. The arithmetic is that of
// Pillow (fixed point, antialiased resize), because OpenCV's resize is not antialiased and models
// see the difference; OpenCV only cleans the ground of drawings (image/ground.h). Immutable.
class Preprocessor {
 public:
  // InvalidArgument naming the field.
  static absl::StatusOr<Preprocessor> Create(const v1::Preprocessing& preprocessing);

  // The specification that it was created from.
  const v1::Preprocessing& spec() const { return spec_; }
  int height() const { return height_; }
  int width() const { return width_; }
  // The number of floats per image: 3 * height * width.
  size_t size() const { return size_t{3} * height_ * width_; }

  // Fit, reduce to the work size, edges, grey, thicken, resize and, with resize_shorter, crop:
  // [height, width, 3] in [0, 255].
  // Requires a non-empty image.
  Image Prepare(const Image& image) const;
  // Divides by 255 and normalises a prepared image into `out`: [3, height, width] float32.
  // Requires prepared.width() == width(), out.size() == size().
  void Normalize(const Image& prepared, absl::Span<float> out) const;
  // Normalize(Prepare(image)).
  void Apply(const Image& image, absl::Span<float> out) const;

 private:
  explicit Preprocessor(const v1::Preprocessing& preprocessing);
  Image ToInputSize(const Image& image) const;

  v1::Preprocessing spec_;
  int height_;
  int width_;
  bool grey_;
  bool edges_;
  int thicken_;
  bool resize_first_;
  bool fit_;
  v1::ResizeFilter filter_;
  std::array<float, 3> mean_;
  std::array<float, 3> std_;
};

// Crops to the pixels darker than the white background (luma below 235) and centres them in a white
// square, with a margin of a sixteenth of the longer side. An image without such pixels is returned
// unchanged.
Image FitToInk(const Image& image);

// A white square around a part of an image, with a margin of a sixteenth of the part's longer side.
// A part whose longer side has more than 5,622 pixels is reduced to that first, so that the square
// has at most 40 megapixels, and one that is more than eight times as long as it is wide to 2,048:
// the square around a thin picture of a few kilobytes would otherwise take gigabytes. Requires a
// part that is not empty, inside the image.
Image WhiteSquareAround(const Image& image, int left, int top, int width, int height);

// The luma of a pixel's red, green and blue: ITU-R 601, in Pillow's fixed point.
inline uint8_t Luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
}

// The single steps. Each equals Pillow's function that its comment or name gives.
Image ToGrey(const Image& image);
// FIND_EDGES per channel, then 255 - x.
Image InvertedEdges(const Image& image);
// MinFilter(3), `passes` times.
Image Thicken(const Image& image, int passes);
// Resize with antialiasing; requires positive sizes.
Image Resize(const Image& image, int width, int height,
             v1::ResizeFilter filter = v1::RESIZE_FILTER_BILINEAR);
// Resize to a shorter side of `shorter` pixels with the same aspect ratio (the longer side is
// rounded down), then the middle of width x height, as torchvision's Resize and CenterCrop. Only
// the pixels that are kept are computed, so that a thin image costs no more than another. Requires
// shorter >= max(width, height).
Image ResizeAndCrop(const Image& image, int shorter, int width, int height,
                    v1::ResizeFilter filter = v1::RESIZE_FILTER_BILINEAR);
// Resize to a longer side of `longer` pixels, above 0, with the same aspect ratio; an image that is
// no larger is returned unchanged.
Image Reduce(const Image& image, int longer, v1::ResizeFilter filter = v1::RESIZE_FILTER_BILINEAR);

}  // namespace s2p

#endif  // S2P_IMAGE_PREPROCESSOR_H_
