// Random changes of a prepared image that leave who or what it shows the same.
#ifndef S2P_TRAINER_DATA_AUGMENTATION_H_
#define S2P_TRAINER_DATA_AUGMENTATION_H_

#include <cstdint>

#include "image/image.h"
#include "s2p/v1/training.pb.h"

namespace s2p {

// Two ways to augment the same values of a spec.
enum class AugmentationStyle {
  // The area from outside the image is white in a sketch and the nearest edge pixel in a
  // photo. `crop_padding` is a share of the height along the height, of the width along the width.
  kOwn,
  // As the data loaders of the authors' release: black comes in from outside, and `crop_padding` is
  // a share of the longer side in both directions.
  kRelease,
};

// Determines how one image is augmented, together with the spec and the image.
struct AugmentationChoice {
  // Fixes every random choice; equal seeds give equal pixels.
  uint64_t seed = 0;
  v1::Modality modality = v1::MODALITY_PHOTO;
  // Mirror horizontally, whatever the seed says.
  bool mirror = false;
  // It is one half of a target pair: AugmentationSpec.flip does not apply, only `mirror`.
  bool paired = false;
  AugmentationStyle style = AugmentationStyle::kOwn;
};

// Mirror; one resampling (scale, rotation, crop, and for sketches the elastic warp together);
// brightness and contrast; erasing, in this order. The size stays. Unset and zero fields change
// nothing, and change nothing of what the others do; the spec's values are taken as valid.
// `pair_flip` is not for one image to draw: it is the caller's, who sets `mirror`.
Image Augment(const v1::TrainingSpec::AugmentationSpec& spec, const AugmentationChoice& choice,
              const Image& image);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_AUGMENTATION_H_
