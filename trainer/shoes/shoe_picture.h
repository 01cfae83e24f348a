// Pictures of procedural shoes.
#ifndef S2P_TRAINER_SHOES_SHOE_PICTURE_H_
#define S2P_TRAINER_SHOES_SHOE_PICTURE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "image/image.h"
#include "trainer/shoes/shoe_shape.h"

namespace s2p {

inline constexpr int kShoePicturePixels = 128;

enum class ShoePhotoStyle {
  // Rounded, textured, on nearly white: the target domain.
  kCatalogue,
  // Flat colours on a coloured backdrop, freer poses: the source domain.
  kStudio
};

// kShoePicturePixels square. Colours, material, light and pose are drawn from the seed; equal
// arguments give equal pixels. Internal if OpenCV fails.
absl::StatusOr<Image> PhotographShoe(const ShoeShape& shape, ShoePhotoStyle style, uint64_t seed);

// The same shoe as someone draws it by hand: black strokes on white that wobble, miss each other,
// and are partly left out.
absl::StatusOr<Image> SketchShoe(const ShoeShape& shape, uint64_t seed);

}  // namespace s2p

#endif  // S2P_TRAINER_SHOES_SHOE_PICTURE_H_
