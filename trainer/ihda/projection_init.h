// First weights of the projection that keep what the pretrained features distinguish.
#ifndef S2P_TRAINER_IHDA_PROJECTION_INIT_H_
#define S2P_TRAINER_IHDA_PROJECTION_INIT_H_

#include "absl/status/status.h"
#include "model/dual_encoder.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// Sets the projection to the directions of the pooled features that distinguish photos, as the
// training pairs show them: a linear discriminant analysis. The features of both modalities, each
// centred on its own mean, which becomes its bias, are brought to their principal components, twice
// as many as the embedding is long; there what a sketch and its photo differ in is whitened
// (trainer/ihda/pair_whitening.h), and the principal components of the result are kept, scaled so
// that photos vary as much as on that many components alone. Where there are fewer components (at
// most two less than images), the other rows keep their random start.
//
// Looks at the first 1,440 images of each modality; pairs count whose images are both among them.
// Does nothing without a projection. ResourceExhausted, Internal.
absl::Status InitializeProjection(const LabelledImages& photos, const LabelledImages& sketches,
                                  DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_PROJECTION_INIT_H_
