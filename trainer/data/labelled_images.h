// Images of one modality with the identities that they show.
#ifndef S2P_TRAINER_DATA_LABELLED_IMAGES_H_
#define S2P_TRAINER_DATA_LABELLED_IMAGES_H_

#include <memory>
#include <vector>

#include "trainer/data/prepared_images.h"

namespace s2p {

// Identities are numbers from 0. In the target, those that have both a photo and a sketch have the
// lowest numbers.
struct LabelledImages {
  std::shared_ptr<const PreparedImages> images;
  std::vector<int> labels;
  // The last ones are pseudo-sketches, this many.
  int made = 0;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_LABELLED_IMAGES_H_
