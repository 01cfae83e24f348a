// A start for the projection that keeps what the pretrained features tell apart.
#ifndef S2P_TRAINER_PROJECTION_INIT_H_
#define S2P_TRAINER_PROJECTION_INIT_H_

#include "absl/status/status.h"
#include "model/dual_encoder.h"
#include "trainer/batch_loader.h"

namespace s2p {

// Sets the projection to the principal components of the pooled features of both modalities, each
// centred on its own mean, which becomes its bias. Components beyond the number of images keep
// their random start. Does nothing without a projection. ResourceExhausted, Internal.
absl::Status InitializeProjection(const PreparedImages& photos, const PreparedImages& sketches,
                                  DualEncoder& encoder);

}  // namespace s2p

#endif  // S2P_TRAINER_PROJECTION_INIT_H_
